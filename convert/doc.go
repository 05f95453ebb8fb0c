// Package convert moves sessions between logs and outside formats. Each format
// has a folder of its own; this package holds what they share: the interfaces,
// the registry, how records are kept byte for byte, and how a log mirrors a
// source that grows or changes.
//
// # Promises
//
//   - Nothing of a source is lost: every byte of an imported transcript stands in
//     the log, in a blob, or (an unfinished last line) in the store's import
//     records, and export to the same vendor gives the bytes back.
//   - The head of an imported log depends on the source's bytes and on
//     [MappingVersion] alone: no clock, host, user or path enters an entry.
//   - A source is read, never written, locked or executed.
//   - What a conversion cannot carry is named and counted in its fidelity report.
//
// # Not promised
//
//   - That a vendor accepts what an older or newer version of it wrote.
package convert
