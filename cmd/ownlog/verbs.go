package main

import "github.com/urfave/cli/v2"

// verbs returns the verbs in the order of the help text: getting sessions in,
// looking, checking, getting them out, going on.
func (s *session) verbs() []*cli.Command {
	return []*cli.Command{
		s.importVerb(),
		s.lsVerb(),
		s.showVerb(),
		s.catVerb(),
		s.headVerb(),
		s.statsVerb(),
		s.verifyVerb(),
		s.exportVerb(),
		s.forkVerb(),
		s.resumeVerb(),
		s.allowVerb(),
		s.denyVerb(),
		s.resultVerb(),
		s.demoVerb(),
	}
}
