// Package reports validates what `ownlog verify` prints against the public schemas
// of its report formats: the JSON Schema of SARIF 2.1.0 (OASIS), and the XML Schema
// of the reports that Jenkins reads.
//
// OWNLOG_REPORT_SCHEMAS names a folder with sarif.json and junit.xsd; xmllint
// (libxml2) must be installed. conformance/ci takes the schemas from packages of
// the npm registry that ship them.
package reports
