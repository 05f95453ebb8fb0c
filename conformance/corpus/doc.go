// Package corpus runs the command over real session files of many tools and
// versions: everything is imported or refused with a reason, given back byte for
// byte, readable with ordinary tools, and survives being killed. Its tests want
// the build tag conformance and the environment variable OWNLOG_CORPUS: a folder
// of session files.
package corpus
