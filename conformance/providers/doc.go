// Package providers holds tests in which outsiders judge what ownlog says to
// models and hears from them. It is a module of its own, so that what the
// outsiders need is no part of the product:
//
//   - The requests of every recording in fixtures/, and of random and hostile
//     histories, for every API and every row of the table of Chat servers, are
//     held against JSON Schemas made of the vendors' npm packages
//     (@anthropic-ai/sdk, openai, @google/genai), in which a member that is
//     misspelt, missing or of another type fails.
//   - The vendors' Go SDKs read the same requests into their parameter types and
//     write them again; nothing may be lost. They are pinned where they have the
//     members that are sent and compile in half a minute; later ones take minutes.
//   - The same SDKs read the streams of the strict servers that the acceptance suite
//     of providers is made of.
//   - An independent mock of the APIs (@copilotkit/aimock) answers, and what our
//     providers make of its streams is compared with what it was told to say.
//
// The npm packages are those of package-lock.json, installed into a temporary
// folder; OWNLOG_PROVIDERS names a folder where they are installed already.
// Requests stay on the loopback interface.
//
//	cd conformance/providers && go test
package providers
