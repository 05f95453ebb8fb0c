// Package opencode checks the OpenCode converter against what the real tool
// wrote and sent, and against other people's storage trees: recordings and a
// corpus that are too big, or not ours, to be part of this repository.
//
//	OWNLOG_VENDORS=DIR OWNLOG_CORPUS=DIR OWNLOG_OPENCODE_CLI=DIR go test -tags conformance -timeout 30m ./conformance/opencode
//
// $OWNLOG_VENDORS/opencode/captures holds databases, legacy trees and files of
// `opencode export`, with the requests that the tool sent from them (sent-*.json).
// $OWNLOG_CORPUS is a folder with real storage trees. In $OWNLOG_OPENCODE_CLI npm
// installed opencode-ai@1.18.33; it runs in a home of its own on scripted servers.
// Without the variables the tests fail; without the build tag there are none.
package opencode
