package claudecode

// What the tool is known to write (versions 1.0 to 2.1.330). Anything else is
// kept just as well, and counted as unknown, so that a new version shows in the
// import report.

// knownType tells of a record type that becomes a vendor.record.
func knownType(name string) bool {
	switch name {
	case "agent-color", "agent-name", "agent-setting", "api-request-blob",
		"api-request-resumed", "atis-latch", "attribution-snapshot",
		"bridge-session", "content-replacement", "continued-in", "cost-state",
		"data-flow-incomplete", "data-flow-records", "derived-from",
		"dev-mods", "ended-by-model", "file-history-snapshot",
		"fork-context-ref", "frame-link", "history-suppression",
		"isolation-latch", "memory-mode", "observer-ref", "pr-link",
		"progress", "queue-operation", "relocated", "resume-head-vouch",
		"session-owner", "summary", "tag", "tools-used", "worktree-state":
		return true
	}
	return false
}

// knownAttachment tells of an attachment type; without rendered text it becomes
// a vendor.record.
func knownAttachment(name string) bool {
	switch name {
	case "agent_listing_delta", "auto_mode", "batching_reminder_sent",
		"budget_usd", "command_permissions", "compact_file_reference",
		"critical_system_reminder", "date", "date_change",
		"deferred_tools_delta", "deferred_tools_record", "dynamic_skill",
		"edited_text_file", "environment", "file", "hook_additional_context",
		"hook_blocking_error", "hook_deferred_tool", "hook_non_blocking_error",
		"hook_success", "invoked_skills", "mcp_instructions_delta", "model",
		"nested_memory", "plan_mode", "plan_mode_exit", "prompt_snapshot",
		"queued_command", "read_truncation_notice", "remote_session_change",
		"session_context", "silent_turn_reminder", "skill_listing",
		"task_reminder", "task_status", "todo_reminder",
		"total_tokens_reminder", "ultra_effort_enter", "ultra_effort_exit":
		return true
	}
	return false
}

// knownSubtype tells of a subtype of system records that becomes a vendor.record.
func knownSubtype(name string) bool {
	switch name {
	case "api_refusal", "away_summary", "error", "informational",
		"local_command", "microcompact_boundary", "model_refusal_fallback",
		"session_start", "stop_hook_summary":
		return true
	}
	return false
}
