// Package samplelog makes small logs of every kind that the tables know, for
// tests: the texts are our own, times, ids and so heads are always the same.
package samplelog

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Ids of the logs that [Fill] makes.
var (
	// Tree mirrors a session of a vendor whose transcript is a file: two turns,
	// parallel tools, a permission prompt, a failed request, a compaction.
	Tree = format.DeriveLogID("ownlog:samplelog:tree")
	// Rows mirrors a session kept as database rows, some of them revised.
	Rows = format.DeriveLogID("ownlog:samplelog:rows")
	// Assets holds the side files of Tree.
	Assets = format.DeriveLogID("ownlog:samplelog:assets")
	// Fork goes on natively where Tree ends.
	Fork = format.LogID{0x5a, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15}
	// Timeless has no time in any entry.
	Timeless = format.DeriveLogID("ownlog:samplelog:timeless")
)

// Logs returns the ids in the order in which [Fill] makes the logs.
func Logs() []format.LogID { return []format.LogID{Tree, Rows, Assets, Fork, Timeless} }

// Fill makes the logs.
func Fill(ctx context.Context, store format.Store) error {
	for _, l := range []struct {
		id     format.LogID
		events []*schema.Event
	}{{Tree, tree()}, {Rows, rows()}, {Assets, assets()}} {
		if err := Append(ctx, store, l.id, l.events...); err != nil {
			return err
		}
	}
	info, err := store.Info(ctx, Tree)
	if err != nil {
		return err
	}
	if err := store.CreateFork(ctx, Fork, Tree, info.Size); err != nil {
		return err
	}
	if err := Append(ctx, store, Fork, fork()...); err != nil {
		return err
	}
	return Append(ctx, store, Timeless, timeless()...)
}

// Prices returns a table that knows one model of the samples: a micro-USD a token
// in or out, nothing for the cache. Version is its version.
func Prices(version string) (*schema.PriceTable, error) {
	return schema.ReadPrices(strings.NewReader(`{"version":"` + version + `","unit":"10^-9 USD per token","prices":[` +
		`{"provider":"anthropic","model":"claude-sonnet-4-5","input":1000,"output":1000,"cache_read":0,"cache_write":0,"cache_write_1h":0}]}`))
}

// Append adds events to a log. Every event from a source gets a record that is
// kept beside it.
func Append(ctx context.Context, store format.Store, log format.LogID, events ...*schema.Event) error {
	at := int64(0)
	if info, err := store.Info(ctx, log); err == nil {
		at = info.Size
	}
	var entries [][]byte
	for _, ev := range events {
		norm, err := schema.Encode(nil, ev)
		if err != nil {
			return err
		}
		var raw []byte
		if ev.Source != nil && ev.Source.Part == 0 {
			raw = fmt.Appendf(nil, `{"type":"sample","data":{"text":"%s"},"n":1.50}`, ev.Type)
		}
		entries = append(entries, format.JoinRaw(nil, norm, raw))
	}
	_, err := store.Append(ctx, log, at, entries)
	return err
}

// Grow returns n more turns of a question and an answer, from turn on, with texts
// of size bytes.
func Grow(turn, n int64, size int) []*schema.Event {
	var events []*schema.Event
	for t := turn; t < turn+n; t++ {
		text := strings.Repeat(fmt.Sprintf("turn %d ", t), size/7+1)
		events = append(events,
			user(fileAt(1000+2*t), clock(t), t, schema.TextPart(text[:size])),
			output(fileAt(1001+2*t), clock(t), t, 1, schema.ModelOutput{
				Provider: "anthropic", Model: "claude-sonnet-4-5", StopReason: "end_turn",
				Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String(text[:size])}},
				Usage:  usage(t, 0, 0, 10),
			}))
	}
	return events
}

func clock(minute int64) string {
	return fmt.Sprintf("2026-11-%02dT%02d:%02d:00.123456Z", 20+minute/1440, minute/60%24, minute%60)
}

func fileAt(line int64) *schema.Source { return &schema.Source{Vendor: "claude-code", Line: line} }

func part(src *schema.Source, n int64) *schema.Source {
	s := *src
	s.Part = n
	return &s
}

func row(table, id string, rev int64) *schema.Source {
	return &schema.Source{Vendor: "opencode", Row: &schema.Row{Table: table, ID: id}, Rev: rev}
}

func event(src *schema.Source, time string, turn, step int64, actor schema.ActorKind, data schema.Data) *schema.Event {
	return &schema.Event{Time: time, Actor: schema.Actor{Kind: actor, ID: actorID(actor)}, Turn: turn, Step: step, Source: src, Data: data}
}

func actorID(kind schema.ActorKind) string {
	if kind == schema.ActorUser {
		return "dev"
	}
	return ""
}

func user(src *schema.Source, time string, turn int64, parts ...schema.Part) *schema.Event {
	return event(src, time, turn, 0, schema.ActorUser, &schema.UserMessage{Content: parts, Origin: schema.OriginTyped})
}

func output(src *schema.Source, time string, turn, step int64, out schema.ModelOutput) *schema.Event {
	return event(src, time, turn, step, schema.ActorModel, &out)
}

func usage(input, read, write, output int64) *schema.Usage {
	return &schema.Usage{Input: &input, CacheRead: &read, CacheWrite: &write, Output: &output}
}

func call(turn, step, index int64, name, args string) schema.Block {
	return schema.Block{
		Type: schema.BlockToolCall, Index: &index, CallKey: schema.NewCallKey(turn, step, index),
		VendorID: fmt.Sprintf("toolu_%d%d%d", turn, step, index), Name: name, Kind: schema.CallFunction, Args: jsontext.Value(args),
	}
}

func result(src *schema.Source, time string, turn, step, index int64, status schema.Status, parts ...schema.Part) *schema.Event {
	if parts == nil {
		parts = []schema.Part{}
	}
	return event(src, time, turn, step, schema.ActorTool, &schema.ToolResult{
		CallKey: schema.NewCallKey(turn, step, index), Status: status, Content: parts,
	})
}

func tree() []*schema.Event {
	const model = "claude-sonnet-4-5"
	digest := "sha256:" + strings.Repeat("ab", 32)
	first := user(part(fileAt(2), 1), "2026-11-20T23:59:59.5Z", 1, schema.TextPart("Please look at “main.go”\nand say ünicode"), schema.TextPart(""),
		schema.Part{Type: schema.PartImage, Name: "shot.png", Blob: &schema.Blob{Digest: digest, Size: 1234, Media: "image/png"}})
	first.ID, first.Parent = "rec-2", schema.Parent{Known: true}
	answer := output(fileAt(4), "2026-11-21T00:00:02Z", 1, 1, schema.ModelOutput{
		ResponseID: "msg_1", RequestID: "req_1", Provider: "anthropic", API: "messages", Model: model,
		Block: schema.Int(0), Usage: usage(100, 20, 10, 50),
		Blocks: []schema.Block{{
			Type: schema.BlockReasoning, Text: schema.String("hm"), Summary: []schema.Text{schema.String("one"), schema.String("two")},
			Seal: &schema.Seal{Provider: "anthropic", Kind: schema.SealSignature, Item: jsontext.Value(`{"type":"thinking"}`)},
		}},
	})
	answer.ID, answer.Parent = "rec-4", schema.Parent{Known: true, ID: "rec-2"}
	cached := usage(100, 20, 10, 60)
	cached.CacheWrite1h, cached.Reasoning = 4, schema.Int(0)
	return []*schema.Event{
		event(fileAt(1), "", 0, 0, schema.ActorExecutor, &schema.VendorRecord{Kind: "mode"}),
		event(fileAt(2), "2026-11-20T23:59:59.25Z", 0, 0, schema.ActorExecutor, &schema.SessionOpened{
			VendorSession: "sess-tree", CWD: "/home/dev/shop", VendorVersion: "2.1.330", Git: &schema.Git{Branch: "main", Commit: "c0ffee", Repository: "git@example.org:team/shop.git"},
		}),
		first,
		event(fileAt(3), "2026-11-21T00:00:00Z", 0, 0, schema.ActorExecutor, &schema.ModelRequested{
			RequestID: "req_1", Attempt: 1, Provider: "anthropic", Model: model,
		}),
		answer,
		output(fileAt(5), "2026-11-21T00:00:03Z", 1, 1, schema.ModelOutput{
			ResponseID: "msg_1", RequestID: "req_1", Model: model, StopReason: "tool_use", Block: schema.Int(1), Usage: cached,
			Blocks: []schema.Block{call(1, 1, 0, "Read", `{"file_path":"/home/dev/shop/main.go","limit":0}`), call(1, 1, 1, "Bash", `{"command":""}`)},
		}),
		event(fileAt(6), "2026-11-21T00:00:04Z", 1, 1, schema.ActorExecutor, &schema.PermissionRequested{CallKey: "1/1/1", Tool: "Bash"}),
		result(fileAt(7), "2026-11-21T00:00:04.5Z", 1, 1, 0, schema.StatusOK, schema.TextPart("package main")),
		event(fileAt(8), "2026-11-21T00:00:09Z", 1, 1, schema.ActorUser, &schema.PermissionDecided{CallKey: "1/1/1", Decision: schema.DecisionDeny, By: "user"}),
		result(part(fileAt(8), 1), "2026-11-21T00:00:09Z", 1, 1, 1, schema.StatusDenied, schema.TextPart("")),
		event(fileAt(9), "2026-11-21T00:00:10Z", 0, 0, schema.ActorExecutor, &schema.ModelRequested{RequestID: "req_2", Attempt: 1, Provider: "anthropic", Model: model}),
		event(fileAt(10), "2026-11-21T00:00:11Z", 0, 0, schema.ActorExecutor, &schema.ModelFailed{RequestID: "req_2", Class: schema.ErrorOverloaded, HTTPStatus: 529, Attempt: 1}),
		output(fileAt(11), "2026-11-21T00:00:15Z", 1, 2, schema.ModelOutput{
			ResponseID: "msg_2", Provider: "anthropic", Model: model, StopReason: "end_turn", Usage: usage(0, 190, 0, 5),
			Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String("It is a Go program.")}},
		}),
		event(fileAt(12), "2026-11-21T00:00:15Z", 1, 0, schema.ActorExecutor, &schema.TurnFinished{Reason: schema.TurnEnd}),
		event(fileAt(13), "2026-11-21T00:01:00Z", 1, 0, schema.ActorExecutor, &schema.ContextCompacted{
			Trigger: "auto", TokensBefore: schema.Int(190), TokensAfter: schema.Int(0), Summary: []schema.Part{schema.TextPart("short")}, Kept: []string{},
		}),
		event(fileAt(14), "2026-11-21T00:01:30Z", 1, 0, schema.ActorSystem, &schema.SystemMessage{Role: schema.RoleUser, Kind: "reminder", Content: []schema.Part{schema.TextPart("be brief")}}),
		event(fileAt(15), "2026-11-21T00:01:31Z", 1, 0, schema.ActorExecutor, &schema.FileChanged{Path: "main.go", CallKey: "1/1/0", Change: "update", Snapshot: "main.go@v1"}),
		event(part(fileAt(15), 1), "2026-11-21T00:01:31Z", 1, 0, schema.ActorExecutor, &schema.FileChanged{Path: "a", Change: "move", MovedTo: "b", Before: digest, After: digest}),
		event(part(fileAt(15), 2), "2026-11-21T00:01:31Z", 1, 0, schema.ActorExecutor, &schema.ContextCompacted{
			Trigger: "manual", Covers: []int64{0, 14}, SummaryFrom: "1/2", View: []schema.ViewMessage{{Role: schema.RoleUser}},
			Seal: &schema.Seal{Provider: "openai", Kind: schema.SealEncrypted, Item: jsontext.Value(`{}`)},
		}),
		event(fileAt(16), "2026-11-21T00:01:32Z", 0, 0, schema.ActorExecutor, &schema.SessionDefined{Definition: &schema.Blob{Digest: digest, Size: 9}}),
		event(part(fileAt(16), 1), "2026-11-21T00:01:32Z", 0, 0, schema.ActorExecutor, &schema.SessionUpdated{Title: "Look at main.go"}),
		user(fileAt(17), "2026-11-21T00:02:00Z", 2, schema.TextPart("Delegate it")),
		output(fileAt(18), "2026-11-21T00:02:05Z", 2, 1, schema.ModelOutput{
			ResponseID: "msg_3", Provider: "anthropic", Model: model, StopReason: "tool_use", Usage: usage(7, 200, 3, 9),
			Blocks: []schema.Block{call(2, 1, 0, "Agent", `{"prompt":"count"}`), {
				Type: schema.BlockToolCall, Index: schema.Int(1), CallKey: "2/1/1", Name: "apply", Namespace: "code", Kind: schema.CallCustom, ArgsRaw: schema.String("*** not json"),
			}, {
				Type: schema.BlockToolCall, Index: schema.Int(2), CallKey: "2/1/2", Name: "put", Kind: schema.CallCustom,
				ArgsRaw: schema.Text{Blob: &schema.Blob{Digest: digest, Size: 300_000}, Set: true},
			}, {Type: schema.BlockOpaque, VendorType: "odd", Item: jsontext.Value(`{}`)}},
		}),
		result(fileAt(19), "2026-11-21T00:02:30Z", 2, 1, 0, schema.StatusError, schema.TextPart("failed: "), schema.TextPart("no agent")),
		event(part(fileAt(19), 1), "2026-11-21T00:02:30Z", 2, 1, schema.ActorExecutor, &schema.SessionLinked{Child: "agent-7", CallKey: "2/1/0"}),
		event(fileAt(20), "", 0, 0, schema.ActorImport, &schema.VendorRecord{Damaged: true}),
	}
}

func rows() []*schema.Event {
	const model, provider = "made-up-1", "fake"
	return []*schema.Event{
		event(row("session", "ses_1", 0), "2026-11-22T10:00:00Z", 0, 0, schema.ActorExecutor, &schema.SessionOpened{
			VendorSession: "ses_1", CWD: `C:\work\shop`, Title: "", Link: &schema.SessionLink{Session: "ses_0", Kind: "subagent", CallKey: "1/1/0"},
		}),
		event(row("part", "prt_0", 0), "2026-11-22T10:00:00Z", 0, 0, schema.ActorExecutor, &schema.SessionOpened{Agent: "helper"}),
		event(row("message", "msg_1", 0), "2026-11-22T10:00:01Z", 1, 0, schema.ActorUser, &schema.UserMessage{MessageID: "msg_1", Content: []schema.Part{}, Origin: schema.OriginTyped}),
		event(row("part", "prt_1", 0), "2026-11-22T10:00:01Z", 1, 0, schema.ActorUser, &schema.UserMessage{MessageID: "msg_1", Content: []schema.Part{schema.TextPart("draft")}, Origin: schema.OriginTyped}),
		event(row("message", "msg_2", 0), "2026-11-22T10:00:02Z", 1, 1, schema.ActorModel, &schema.ModelOutput{MessageID: "msg_2", Provider: provider, Model: model, Blocks: []schema.Block{}, Unfinished: true}),
		output(row("part", "prt_2", 0), "2026-11-22T10:00:03Z", 1, 1, schema.ModelOutput{MessageID: "msg_2", Blocks: []schema.Block{call(1, 1, 0, "bash", `{"command":"sleep"}`)}}),
		event(part(row("part", "prt_2", 0), 1), "2026-11-22T10:00:03Z", 1, 1, schema.ActorTool, &schema.ToolStarted{CallKey: "1/1/0"}),
		event(row("part", "prt_1", 1), "2026-11-22T10:00:01Z", 1, 0, schema.ActorUser, &schema.UserMessage{MessageID: "msg_1", Content: []schema.Part{schema.TextPart("final")}, Origin: schema.OriginTyped}),
		output(row("part", "prt_2", 1), "2026-11-22T10:00:03Z", 1, 1, schema.ModelOutput{MessageID: "msg_2", Blocks: []schema.Block{call(1, 1, 0, "bash", `{"command":"sleep 1"}`)}}),
		event(part(row("part", "prt_2", 1), 1), "2026-11-22T10:00:03Z", 1, 1, schema.ActorTool, &schema.ToolStarted{CallKey: "1/1/0"}),
		event(part(row("part", "prt_2", 1), 2), "2026-11-22T10:00:04.25Z", 1, 1, schema.ActorTool, &schema.ToolResult{
			CallKey: "1/1/0", Status: schema.StatusOK, ExitCode: schema.Int(0), Content: []schema.Part{schema.TextPart("done\n")},
		}),
		event(row("message", "msg_2", 1), "2026-11-22T10:00:02Z", 1, 1, schema.ActorModel, &schema.ModelOutput{MessageID: "msg_2", Provider: provider, Model: model, StopReason: "stop", Blocks: []schema.Block{}}),
		output(row("part", "prt_3", 0), "2026-11-22T10:00:05Z", 1, 1, schema.ModelOutput{
			MessageID: "msg_2", StopReason: "stop", Blocks: []schema.Block{}, CostNUSD: schema.Int(0), Usage: &schema.Usage{Input: schema.Int(0), Output: schema.Int(3)},
		}),
		event(row("part", "prt_4", 0), "2026-11-22T10:00:06Z", 0, 0, schema.ActorExecutor, &schema.VendorRecord{Kind: "odd", Finding: "part without message"}),
	}
}

func assets() []*schema.Event {
	return []*schema.Event{
		event(&schema.Source{Vendor: "claude-code", Row: &schema.Row{Table: "file", ID: "tasks/1.json"}}, "", 0, 0, schema.ActorImport, &schema.VendorRecord{Kind: "tasks"}),
	}
}

func fork() []*schema.Event {
	const turn = 3
	return []*schema.Event{
		event(nil, "2026-11-23T08:00:00Z", 0, 0, schema.ActorExecutor, &schema.LeaseAcquired{Holder: "worker-1"}),
		event(nil, "2026-11-23T08:00:00Z", 2, 1, schema.ActorTool, &schema.ToolResult{CallKey: "2/1/1", Status: schema.StatusUnknown, Content: []schema.Part{schema.TextPart("lost")}}),
		user(nil, "2026-11-23T08:00:01Z", turn, schema.TextPart("Go on")),
		event(nil, "2026-11-23T08:00:02Z", turn, 0, schema.ActorExecutor, &schema.ModelRequested{RequestID: "r-1", Attempt: 1, Provider: "openai", Model: "gpt-5"}),
		event(nil, "2026-11-23T08:00:03Z", turn, 0, schema.ActorExecutor, &schema.ModelFailed{RequestID: "r-1", Class: schema.ErrorRateLimit, HTTPStatus: 429, Attempt: 1}),
		event(nil, "2026-11-23T08:00:05Z", turn, 0, schema.ActorExecutor, &schema.ModelRequested{RequestID: "r-1", Attempt: 2, Provider: "openai", Model: "gpt-5"}),
		output(nil, "2026-11-23T08:00:07Z", turn, 1, schema.ModelOutput{
			RequestID: "r-1", Provider: "openai", Model: "gpt-5-2025-08-07", StopReason: "tool_calls", Usage: usage(1000, 0, 0, 100),
			LatencyUS: schema.Int(2_000_000), FirstUS: schema.Int(300_000),
			Blocks: []schema.Block{call(turn, 1, 0, "shell", `{"cmd":["ls"]}`), call(turn, 1, 1, "shell", `{"cmd":["rm"]}`)},
		}),
		event(nil, "2026-11-23T08:00:08Z", turn, 1, schema.ActorExecutor, &schema.PermissionRequested{CallKey: "3/1/1", Tool: "shell"}),
	}
}

func timeless() []*schema.Event {
	return []*schema.Event{
		event(fileAt(1), "", 0, 0, schema.ActorExecutor, &schema.SessionOpened{VendorSession: "sess-timeless", CWD: "/"}),
		user(fileAt(2), "", 1, schema.TextPart("When?")),
		output(fileAt(3), "", 1, 1, schema.ModelOutput{Model: "unheard-of", Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String("")}}, Usage: usage(1, 0, 0, 1)}),
	}
}
