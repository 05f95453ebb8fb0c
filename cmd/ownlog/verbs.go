package main

import "github.com/urfave/cli/v2"

// verbs returns the verbs in the order of the help text: getting sessions in,
// looking, checking, getting them out, going on.
func (s *session) verbs() []*cli.Command {
	return []*cli.Command{
		s.importVerb(),
		s.lsVerb(),
		s.showVerb(),
		s.tailVerb(),
		s.catVerb(),
		s.statsVerb(),
		s.verifyVerb(),
		s.headVerb(),
		s.extendsVerb(),
		s.exportVerb(),
		s.handoffVerb(),
		s.forkVerb(),
		s.resumeVerb(),
		s.allowVerb(),
		s.denyVerb(),
		s.resultVerb(),
		s.workVerb(),
		s.replayVerb(),
		s.compactVerb(),
		s.sealVerb(),
		s.packVerb(),
		s.unpackVerb(),
		s.recoverVerb(),
		s.rmVerb(),
		s.gcVerb(),
		s.demoVerb(),
	}
}
