package tables

// Version is the version of the rows: their tables, columns and meaning. It is
// the value of every row's column export_schema.
const Version = 1

// Session is a row of the table sessions: one log.
type Session struct {
	LogID           string  `parquet:"log_id,dict,id(1)" doc:"the log"`
	SessionID       *string `parquet:"session_id,dict,id(2)" doc:"the vendor's id of the session, as its newest session.opened says"`
	Seq             int64   `parquet:"seq,id(3)" doc:"position in the log of the entry that the row begins with, from 0"`
	SourceVendor    *string `parquet:"source_vendor,dict,id(4)" doc:"vendor whose session the log mirrors or continues; NULL: written natively"`
	ExportSchema    int32   `parquet:"export_schema,dict,id(5)" doc:"version of tables, columns and their meaning"`
	Kind            string  `parquet:"kind,dict,id(6)" doc:"session, subagent (its transcript names an agent or a session it came from) or assets (side files only)"`
	ParentLogID     *string `parquet:"parent_log_id,dict,id(7)" doc:"the log this one is a fork of"`
	RootLogID       string  `parquet:"root_log_id,dict,id(8)" doc:"the log at the end of the chain of forks, the log itself if it is none"`
	ForkSize        *int64  `parquet:"fork_size,id(9)" doc:"how many entries of the parent are this log's history"`
	ParentSessionID *string `parquet:"parent_session_id,dict,id(10)" doc:"the vendor's id of the session this one came from"`
	ParentKind      *string `parquet:"parent_kind,dict,id(11)" doc:"how it came from there: subagent, fork, ..."`
	ParentCallKey   *string `parquet:"parent_call_key,dict,id(12)" doc:"the tool call in the parent that started it"`
	Title           *string `parquet:"title,id(13)" doc:"newest title; NULL without texts"`
	Project         *string `parquet:"project,dict,id(14)" doc:"last element of the git repository, else of cwd"`
	CWD             *string `parquet:"cwd,dict,id(15)" doc:"folder the session works in"`
	GitBranch       *string `parquet:"git_branch,dict,id(16)" doc:"branch"`
	GitCommit       *string `parquet:"git_commit,dict,id(17)" doc:"commit"`
	GitRepository   *string `parquet:"git_repository,dict,id(18)" doc:"repository"`
	Agent           *string `parquet:"agent,dict,id(19)" doc:"agent whose transcript it is"`
	VendorVersion   *string `parquet:"vendor_version,dict,id(20)" doc:"version of the vendor's tool"`
	Definition      *string `parquet:"definition_digest,dict,id(21)" doc:"blob of the newest session definition"`
	Started         *int64  `parquet:"started,timestamp(microsecond),id(22)" doc:"time of the first entry, in log order, that has one; its date is the partition"`
	Ended           *int64  `parquet:"ended,timestamp(microsecond),id(23)" doc:"latest time of any entry"`
	Outcome         string  `parquet:"outcome,dict,id(24)" doc:"how the newest turn ended: end_turn, max_tokens, refusal, interrupted, budget, error, requires_action; open (not known to have ended) or none (no turn)"`
	Entries         int64   `parquet:"entries,id(25)" doc:"entries of the log, those of the parent included: with log_id and head_digest its head"`
	Turns           int64   `parquet:"turns,id(26)" doc:"turns opened"`
	UserMessages    int64   `parquet:"user_messages,id(27)" doc:"messages typed or queued by a person"`
	ModelCalls      int64   `parquet:"model_calls,id(28)" doc:"rows of model_calls"`
	FailedCalls     int64   `parquet:"failed_model_calls,id(29)" doc:"of them with status failed"`
	ToolCalls       int64   `parquet:"tool_calls,id(30)" doc:"rows of tool_calls that are not inherited"`
	FailedTools     int64   `parquet:"failed_tool_calls,id(31)" doc:"of them with status error, denied, cancelled or timeout"`
	Interrupts      int64   `parquet:"interrupts,id(32)" doc:"times a person stopped the agent"`
	Compactions     int64   `parquet:"compactions,id(33)" doc:"rows of compactions"`
	PeakContext     *int64  `parquet:"peak_context_tokens,id(34)" doc:"largest prompt of a model call: input, cache read and cache write"`
	HeadDigest      string  `parquet:"head_digest,id(35)" doc:"root of the tree over all entries, unpadded base64url: the head is log_id@entries#head_digest"`
	Fidelity        *string `parquet:"fidelity,id(36)" doc:"JSON: the report of the newest import, if the store has one"`
	Malformed       int64   `parquet:"malformed_records,id(37)" doc:"records that were damaged or could not be read as the vendor's format says, and entries that are no event"`
}

// Event is a row of the table events: one entry.
type Event struct {
	LogID         string  `parquet:"log_id,dict,id(1)" doc:"the log"`
	SessionID     *string `parquet:"session_id,dict,id(2)" doc:"the vendor's id of the session, as its newest session.opened says"`
	Seq           int64   `parquet:"seq,id(3)" doc:"position in the log of the entry that the row begins with, from 0"`
	SourceVendor  *string `parquet:"source_vendor,dict,id(4)" doc:"vendor whose session the log mirrors or continues; NULL: written natively"`
	ExportSchema  int32   `parquet:"export_schema,dict,id(5)" doc:"version of tables, columns and their meaning"`
	Type          *string `parquet:"type,dict,id(6)" doc:"event type; NULL: redacted, or no event"`
	ActorKind     *string `parquet:"actor,dict,id(7)" doc:"who caused it: user, model, tool, executor, system, import"`
	ActorID       *string `parquet:"actor_id,dict,id(8)" doc:"which one"`
	Time          *int64  `parquet:"time,timestamp(microsecond),id(9)" doc:"the record's own time"`
	Turn          *int64  `parquet:"turn,id(10)" doc:"turn, from 1; NULL: before any"`
	Step          *int64  `parquet:"step,id(11)" doc:"model response of the turn, from 1; NULL: outside"`
	RecordID      *string `parquet:"record_id,id(12)" doc:"the vendor's id of the record, in tree sources; random in native entries"`
	RecordParent  *string `parquet:"record_parent,id(13)" doc:"record it follows; NULL also for a root"`
	VendorKind    *string `parquet:"vendor_kind,dict,id(14)" doc:"the vendor's name of a vendor.record, or the kind of a system.message"`
	Finding       *string `parquet:"finding,dict,id(15)" doc:"what is wrong with the record"`
	SourceLine    *int64  `parquet:"source_line,id(16)" doc:"line of the source file, from 1"`
	SourceTable   *string `parquet:"source_table,dict,id(17)" doc:"table of the source row"`
	SourceRow     *string `parquet:"source_row,dict,id(18)" doc:"id of the source row"`
	SourceRev     *int64  `parquet:"source_rev,id(19)" doc:"how often the row was imported before with other bytes; NULL: the source has no rows"`
	SourcePart    *int64  `parquet:"source_part,id(20)" doc:"place among the entries of the record, from 0; NULL: native"`
	Superseded    bool    `parquet:"superseded,id(21)" doc:"a newer revision of the source row stands later in the log: other tables leave this one out"`
	Bytes         *int64  `parquet:"bytes,id(22)" doc:"bytes of the entry; NULL: redacted"`
	PayloadDigest string  `parquet:"payload_digest,id(23)" doc:"leaf of the entry in the log's tree: SHA-256, in hexadecimal, of a zero byte and the entry's bytes"`
	Payload       *string `parquet:"payload,id(24)" doc:"JSON: the whole entry; NULL unless asked for"`
}

// Block is a row of the table blocks: one piece of content of an event.
type Block struct {
	LogID        string  `parquet:"log_id,dict,id(1)" doc:"the log"`
	SessionID    *string `parquet:"session_id,dict,id(2)" doc:"the vendor's id of the session, as its newest session.opened says"`
	Seq          int64   `parquet:"seq,id(3)" doc:"position in the log of the entry that the row begins with, from 0"`
	SourceVendor *string `parquet:"source_vendor,dict,id(4)" doc:"vendor whose session the log mirrors or continues; NULL: written natively"`
	ExportSchema int32   `parquet:"export_schema,dict,id(5)" doc:"version of tables, columns and their meaning"`
	Index        int64   `parquet:"index,id(6)" doc:"place in the event, from 0"`
	EventType    string  `parquet:"event_type,dict,id(7)" doc:"user.message, system.message, model.output or tool.result"`
	Time         *int64  `parquet:"time,timestamp(microsecond),id(8)" doc:"time of the event"`
	Turn         *int64  `parquet:"turn,id(9)" doc:"turn, from 1"`
	Step         *int64  `parquet:"step,id(10)" doc:"model response of the turn, from 1"`
	Kind         string  `parquet:"kind,dict,id(11)" doc:"text, reasoning, tool_call, image, file, refusal, opaque"`
	Origin       *string `parquet:"origin,dict,id(12)" doc:"of a user.message: typed, queued, hook, ...; of a system.message: its kind"`
	CallKey      *string `parquet:"call_key,dict,id(13)" doc:"of a tool_call, and of all blocks of a tool.result: the call"`
	Text         *string `parquet:"text,id(14)" doc:"the text; NULL: none, in a blob, or left out"`
	Summary      *string `parquet:"summary,id(15)" doc:"of reasoning: the summaries, joined by an empty line"`
	Bytes        *int64  `parquet:"bytes,id(16)" doc:"bytes of the text, of the arguments as sent, or of the blob; NULL: not in the log"`
	BlobDigest   *string `parquet:"blob_digest,dict,id(17)" doc:"sha256:<hex> of content kept beside the log"`
	Media        *string `parquet:"media,dict,id(18)" doc:"media type of the blob"`
	Name         *string `parquet:"name,dict,id(19)" doc:"tool or file name"`
	VendorType   *string `parquet:"vendor_type,dict,id(20)" doc:"of an opaque block: the vendor's name for it"`
	Seal         *string `parquet:"seal,dict,id(21)" doc:"signature, encrypted or redacted: the provider's own form is in the log"`
	Sent         bool    `parquet:"sent,id(22)" doc:"false: never shown to the model"`
}

// ModelCall is a row of the table model_calls: one request to a model, as far as
// the source tells, or one response.
type ModelCall struct {
	LogID         string  `parquet:"log_id,dict,id(1)" doc:"the log"`
	SessionID     *string `parquet:"session_id,dict,id(2)" doc:"the vendor's id of the session, as its newest session.opened says"`
	Seq           int64   `parquet:"seq,id(3)" doc:"position in the log of the entry that the row begins with, from 0"`
	SourceVendor  *string `parquet:"source_vendor,dict,id(4)" doc:"vendor whose session the log mirrors or continues; NULL: written natively"`
	ExportSchema  int32   `parquet:"export_schema,dict,id(5)" doc:"version of tables, columns and their meaning"`
	Turn          *int64  `parquet:"turn,id(6)" doc:"turn of the response, from 1"`
	Step          *int64  `parquet:"step,id(7)" doc:"model response of the turn, from 1"`
	RequestID     *string `parquet:"request_id,id(8)" doc:"request"`
	Attempt       *int64  `parquet:"attempt,id(9)" doc:"attempt, from 1; NULL: not stated"`
	ResponseID    *string `parquet:"response_id,id(10)" doc:"the provider's id of the response"`
	Provider      *string `parquet:"provider,dict,id(11)" doc:"that answered, else that was asked"`
	ModelAsked    *string `parquet:"model_requested,dict,id(12)" doc:"model asked for"`
	Model         *string `parquet:"model,dict,id(13)" doc:"model that answered"`
	Status        string  `parquet:"status,dict,id(14)" doc:"ok, failed, aborted (stopped in mid-stream) or open (the log holds no answer, or not its end)"`
	StopReason    *string `parquet:"stop_reason,dict,id(15)" doc:"in the provider's words"`
	ErrorClass    *string `parquet:"error_class,dict,id(16)" doc:"of a failed call: rate_limit, overloaded, ..."`
	HTTPStatus    *int64  `parquet:"http_status,id(17)" doc:"of a failed call"`
	Requested     *int64  `parquet:"requested,timestamp(microsecond),id(18)" doc:"time of the request; NULL: not recorded"`
	Finished      *int64  `parquet:"finished,timestamp(microsecond),id(19)" doc:"time of the newest piece of the answer, or of the failure"`
	LatencyUS     *int64  `parquet:"latency_us,id(20)" doc:"microseconds from request to last token, as stated, else finished - requested"`
	TTFTUS        *int64  `parquet:"ttft_us,id(21)" doc:"microseconds to the first token, as stated"`
	Input         *int64  `parquet:"input_tokens,id(22)" doc:"without what came from or went to the cache"`
	Output        *int64  `parquet:"output_tokens,id(23)" doc:"reasoning included"`
	Reasoning     *int64  `parquet:"reasoning_tokens,id(24)" doc:"of output_tokens"`
	CacheRead     *int64  `parquet:"cache_read_tokens,id(25)" doc:"read from the cache"`
	CacheWrite5m  *int64  `parquet:"cache_write_5m_tokens,id(26)" doc:"written to the cache for 5 minutes, or for as long as the provider keeps it"`
	CacheWrite1h  *int64  `parquet:"cache_write_1h_tokens,id(27)" doc:"written to the cache for an hour"`
	CostNUSD      *int64  `parquet:"cost_nusd,id(28)" doc:"10^-9 USD; NULL: neither stated nor in the price table"`
	CostSource    *string `parquet:"cost_source,dict,id(29)" doc:"source (as the source states it) or prices (tokens times the price table)"`
	PricesVersion *string `parquet:"price_version,dict,id(30)" doc:"version of the price table, if that was used"`
	Summary       bool    `parquet:"summary,id(31)" doc:"made for a compaction"`
	Blocks        int64   `parquet:"blocks,id(32)" doc:"blocks of the response"`
	ToolCalls     int64   `parquet:"tool_calls,id(33)" doc:"of them tool calls"`
}

// ToolCall is a row of the table tool_calls: a call, its decision and its result.
type ToolCall struct {
	LogID           string  `parquet:"log_id,dict,id(1)" doc:"the log"`
	SessionID       *string `parquet:"session_id,dict,id(2)" doc:"the vendor's id of the session, as its newest session.opened says"`
	Seq             int64   `parquet:"seq,id(3)" doc:"position in the log of the entry that the row begins with, from 0"`
	SourceVendor    *string `parquet:"source_vendor,dict,id(4)" doc:"vendor whose session the log mirrors or continues; NULL: written natively"`
	ExportSchema    int32   `parquet:"export_schema,dict,id(5)" doc:"version of tables, columns and their meaning"`
	CallKey         string  `parquet:"call_key,id(6)" doc:"turn/step/index, identity of the call in the log; with .n: work nested in a call"`
	Turn            *int64  `parquet:"turn,id(7)" doc:"turn of the call, from 1"`
	Step            *int64  `parquet:"step,id(8)" doc:"model response of the turn, from 1"`
	VendorID        *string `parquet:"vendor_call_id,id(9)" doc:"the vendor's id; may repeat"`
	Tool            *string `parquet:"tool,dict,id(10)" doc:"name; NULL for nested work"`
	Namespace       *string `parquet:"namespace,dict,id(11)" doc:"of the tool"`
	Kind            *string `parquet:"kind,dict,id(12)" doc:"function, custom, local_shell or server (run by the provider)"`
	Arguments       *string `parquet:"arguments,id(13)" doc:"JSON object; NULL: not an object (see arguments_raw), in a blob, or left out"`
	ArgumentsRaw    *string `parquet:"arguments_raw,id(14)" doc:"as the model wrote them, where that is not a JSON object"`
	Requested       *int64  `parquet:"requested,timestamp(microsecond),id(15)" doc:"time the model asked"`
	PermRequested   *int64  `parquet:"permission_requested,timestamp(microsecond),id(16)" doc:"time a person was asked"`
	Decided         *int64  `parquet:"decided,timestamp(microsecond),id(17)" doc:"time of the decision"`
	Started         *int64  `parquet:"started,timestamp(microsecond),id(18)" doc:"time it was dispatched"`
	Finished        *int64  `parquet:"finished,timestamp(microsecond),id(19)" doc:"time of the answer, else of the outcome"`
	PermissionWait  *int64  `parquet:"permission_wait_us,id(20)" doc:"microseconds from permission_requested to decided"`
	DurationUS      *int64  `parquet:"duration_us,id(21)" doc:"microseconds the tool ran: as stated, else finished - started"`
	Decision        *string `parquet:"decision,dict,id(22)" doc:"allow, deny or modify"`
	DecidedBy       *string `parquet:"decided_by,dict,id(23)" doc:"user, hook, config, policy, ..."`
	Status          string  `parquet:"status,dict,id(24)" doc:"ok, error, denied, cancelled, timeout, unknown; without a result waiting (for permission), not_started (native, never dispatched) or orphaned (the log does not tell)"`
	Answered        bool    `parquet:"answered,id(25)" doc:"the log holds an answer for the model, not an outcome only"`
	ExitCode        *int64  `parquet:"exit_code,id(26)" doc:"of a command"`
	OutputBytes     *int64  `parquet:"output_bytes,id(27)" doc:"bytes of the answer's texts and blobs"`
	OutputDigest    *string `parquet:"output_digest,id(28)" doc:"SHA-256, in hexadecimal, of the answer's texts one after the other; a blob stands there as its digest sha256:<hex>"`
	ResultSeq       *int64  `parquet:"result_seq,id(29)" doc:"entry of the answer, else of the outcome"`
	Attempts        int64   `parquet:"attempts,id(30)" doc:"times it was dispatched, as far as recorded"`
	ChildSessionID  *string `parquet:"child_session_id,dict,id(31)" doc:"session or agent that the call started"`
	Nested          bool    `parquet:"nested,id(32)" doc:"work inside another call: call_key before the dot"`
	Inherited       bool    `parquet:"inherited,id(33)" doc:"the call stands in the fork's parent, which has its own row of it; only what followed stands in this log"`
	ArgumentsBytes  *int64  `parquet:"arguments_bytes,id(34)" doc:"bytes of the arguments"`
	ArgumentsDigest *string `parquet:"arguments_blob,dict,id(35)" doc:"sha256:<hex> of arguments kept beside the log"`
}

// FileTouch is a row of the table file_touches.
type FileTouch struct {
	LogID        string  `parquet:"log_id,dict,id(1)" doc:"the log"`
	SessionID    *string `parquet:"session_id,dict,id(2)" doc:"the vendor's id of the session, as its newest session.opened says"`
	Seq          int64   `parquet:"seq,id(3)" doc:"position in the log of the entry that the row begins with, from 0"`
	SourceVendor *string `parquet:"source_vendor,dict,id(4)" doc:"vendor whose session the log mirrors or continues; NULL: written natively"`
	ExportSchema int32   `parquet:"export_schema,dict,id(5)" doc:"version of tables, columns and their meaning"`
	Index        int64   `parquet:"index,id(6)" doc:"place among the touches of the entry, from 0"`
	Time         *int64  `parquet:"time,timestamp(microsecond),id(7)" doc:"time of the entry"`
	Turn         *int64  `parquet:"turn,id(8)" doc:"turn, from 1"`
	Step         *int64  `parquet:"step,id(9)" doc:"model response of the turn, from 1"`
	Origin       string  `parquet:"origin,dict,id(10)" doc:"event: the source recorded a change; call: a tool call names the file (it may have failed: join tool_calls)"`
	CallKey      *string `parquet:"call_key,dict,id(11)" doc:"the call"`
	Path         string  `parquet:"path,dict,id(12)" doc:"as the source writes it"`
	Change       *string `parquet:"change,dict,id(13)" doc:"read, write, edit (calls); add, update, delete, move (events)"`
	MovedTo      *string `parquet:"moved_to,dict,id(14)" doc:"new path"`
	Before       *string `parquet:"before_digest,dict,id(15)" doc:"content before"`
	After        *string `parquet:"after_digest,dict,id(16)" doc:"content after"`
	Snapshot     *string `parquet:"snapshot,dict,id(17)" doc:"the vendor's name of the state it kept"`
}

// Compaction is a row of the table compactions.
type Compaction struct {
	LogID        string  `parquet:"log_id,dict,id(1)" doc:"the log"`
	SessionID    *string `parquet:"session_id,dict,id(2)" doc:"the vendor's id of the session, as its newest session.opened says"`
	Seq          int64   `parquet:"seq,id(3)" doc:"position in the log of the entry that the row begins with, from 0"`
	SourceVendor *string `parquet:"source_vendor,dict,id(4)" doc:"vendor whose session the log mirrors or continues; NULL: written natively"`
	ExportSchema int32   `parquet:"export_schema,dict,id(5)" doc:"version of tables, columns and their meaning"`
	Time         *int64  `parquet:"time,timestamp(microsecond),id(6)" doc:"time of the entry"`
	Turn         *int64  `parquet:"turn,id(7)" doc:"turn, from 1"`
	Trigger      *string `parquet:"trigger,dict,id(8)" doc:"auto or manual"`
	CoversFrom   *int64  `parquet:"covers_from,id(9)" doc:"first entry covered"`
	CoversTo     *int64  `parquet:"covers_to,id(10)" doc:"last entry covered"`
	TokensBefore *int64  `parquet:"tokens_before,id(11)" doc:"context before"`
	TokensAfter  *int64  `parquet:"tokens_after,id(12)" doc:"context after"`
	SummaryFrom  *string `parquet:"summary_from,dict,id(13)" doc:"turn/step of the response that is the summary"`
	SummaryBytes *int64  `parquet:"summary_bytes,id(14)" doc:"bytes of the summary in the entry; NULL: it stands elsewhere"`
	Kept         *int64  `parquet:"kept,id(15)" doc:"records sent again after the summary; NULL: not stated so"`
	ViewMessages *int64  `parquet:"view_messages,id(16)" doc:"messages of the new view; NULL: not stated so"`
	Sealed       bool    `parquet:"sealed,id(17)" doc:"the provider compacted into a form of its own"`
}

// key is what every row begins with. It is not embedded in the rows: the Parquet
// library, version 0.32, reads NULL as "" in fields of embedded structs.
type key struct {
	log             string
	session, vendor *string
}

func (k key) sessionRow(seq int64) Session {
	return Session{LogID: k.log, SessionID: k.session, Seq: seq, SourceVendor: k.vendor, ExportSchema: Version}
}

func (k key) eventRow(seq int64) Event {
	return Event{LogID: k.log, SessionID: k.session, Seq: seq, SourceVendor: k.vendor, ExportSchema: Version}
}

func (k key) blockRow(seq int64) Block {
	return Block{LogID: k.log, SessionID: k.session, Seq: seq, SourceVendor: k.vendor, ExportSchema: Version}
}

func (k key) modelCallRow(seq int64) ModelCall {
	return ModelCall{LogID: k.log, SessionID: k.session, Seq: seq, SourceVendor: k.vendor, ExportSchema: Version}
}

func (k key) toolCallRow(seq int64) ToolCall {
	return ToolCall{LogID: k.log, SessionID: k.session, Seq: seq, SourceVendor: k.vendor, ExportSchema: Version}
}

func (k key) fileTouchRow(seq int64) FileTouch {
	return FileTouch{LogID: k.log, SessionID: k.session, Seq: seq, SourceVendor: k.vendor, ExportSchema: Version}
}

func (k key) compactionRow(seq int64) Compaction {
	return Compaction{LogID: k.log, SessionID: k.session, Seq: seq, SourceVendor: k.vendor, ExportSchema: Version}
}
