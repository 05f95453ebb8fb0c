package opencode

import (
	"fmt"
	"strings"
)

// tableLayout is what a database of release 1.18.33 is made of, one table a line:
//
//	name: column type, ..., pk(columns)
//
// ! is NOT NULL, =value a default, pk the primary key, >table.column a foreign
// key whose rows go with the one they point to, with ? one that is set to null.
const tableLayout = `
account: id text pk, email text!, url text!, access_token text!, refresh_token text!, token_expiry integer, time_created integer!, time_updated integer!
account_state: id integer pk, active_account_id text >account.id?, active_org_id text
control_account: email text!, url text!, access_token text!, refresh_token text!, token_expiry integer, active integer!, time_created integer!, time_updated integer!, pk(email url)
credential: id text pk, integration_id text, label text!, value text!, connector_id text, method_id text, active integer, time_created integer!, time_updated integer!
data_migration: name text pk, time_completed integer!
event: id text pk, aggregate_id text! >event_sequence.aggregate_id, seq integer!, type text!, data text!
event_sequence: aggregate_id text pk, seq integer!, owner_id text
message: id text pk, session_id text! >session.id, time_created integer!, time_updated integer!, data text!
migration: id text pk, time_completed integer!
part: id text pk, message_id text! >message.id, session_id text!, time_created integer!, time_updated integer!, data text!
permission: id text pk, project_id text! >project.id, action text!, resource text!, time_created integer!, time_updated integer!
project: id text pk, worktree text!, vcs text, name text, icon_url text, icon_url_override text, icon_color text, time_created integer!, time_updated integer!, time_initialized integer, sandboxes text!, commands text
project_directory: project_id text! >project.id, directory text!, type text, strategy text, time_created integer!, pk(project_id directory)
session: id text pk, project_id text! >project.id, workspace_id text, parent_id text, slug text!, directory text!, path text, title text!, version text!, share_url text, summary_additions integer, summary_deletions integer, summary_files integer, summary_diffs text, metadata text, cost real!=0, tokens_input integer!=0, tokens_output integer!=0, tokens_reasoning integer!=0, tokens_cache_read integer!=0, tokens_cache_write integer!=0, revert text, permission text, agent text, model text, time_created integer!, time_updated integer!, time_compacting integer, time_archived integer
session_context_epoch: session_id text pk >session.id, baseline text!, snapshot text!, baseline_seq integer!
session_input: id text pk, session_id text! >session.id, prompt text!, delivery text!, admitted_seq integer!, promoted_seq integer, time_created integer!
session_message: id text pk, session_id text! >session.id, type text!, seq integer!, time_created integer!, time_updated integer!, data text!
session_share: session_id text pk >session.id, id text!, secret text!, url text!, time_created integer!, time_updated integer!
todo: session_id text! >session.id, content text!, status text!, priority text!, position integer!, time_created integer!, time_updated integer!, pk(session_id position)
workspace: id text pk, type text!, name text!='', branch text, directory text, extra text, project_id text! >project.id, time_used integer!
`

// indexLayout is the indexes: [unique] name table(columns).
const indexLayout = `
unique event_aggregate_seq_idx event(aggregate_id seq)
event_aggregate_type_seq_idx event(aggregate_id type seq)
message_session_time_created_id_idx message(session_id time_created id)
part_message_id_id_idx part(message_id id)
part_session_idx part(session_id)
unique permission_project_action_resource_idx permission(project_id action resource)
unique session_input_session_admitted_seq_idx session_input(session_id admitted_seq)
session_input_session_pending_delivery_seq_idx session_input(session_id promoted_seq delivery admitted_seq)
unique session_input_session_promoted_seq_idx session_input(session_id promoted_seq)
unique session_message_session_seq_idx session_message(session_id seq)
session_message_session_time_created_id_idx session_message(session_id time_created id)
session_message_session_type_seq_idx session_message(session_id type seq)
session_message_time_created_idx session_message(time_created)
session_parent_idx session(parent_id)
session_project_idx session(project_id)
session_workspace_idx session(workspace_id)
todo_session_idx todo(session_id)
`

// layoutSQL are the statements that make the tables and indexes.
func layoutSQL() []string {
	var statements []string
	for line := range strings.Lines(strings.TrimSpace(tableLayout)) {
		name, columns, _ := strings.Cut(strings.TrimSpace(line), ": ")
		statements = append(statements, tableSQL(name, strings.Split(columns, ", ")))
	}
	for line := range strings.Lines(strings.TrimSpace(indexLayout)) {
		statements = append(statements, indexSQL(strings.TrimSpace(line)))
	}
	return statements
}

func tableSQL(name string, columns []string) string {
	var defs, keys []string
	for _, c := range columns {
		if list, ok := strings.CutPrefix(c, "pk("); ok {
			keys = append(keys, "PRIMARY KEY ("+quoteNames(strings.TrimSuffix(list, ")"))+")")
			continue
		}
		column, rest, _ := strings.Cut(c, " ")
		def := quoteName(column)
		for i, word := range strings.Fields(rest) {
			switch {
			case word == "pk":
				def += " PRIMARY KEY"
			case word[0] == '>':
				keys = append(keys, foreignKey(column, word[1:]))
			case i == 0:
				def += " " + typeSQL(word)
			}
		}
		defs = append(defs, def)
	}
	return fmt.Sprintf("CREATE TABLE %s (%s)", quoteName(name), strings.Join(append(defs, keys...), ", "))
}

// typeSQL spells `text!=0` out.
func typeSQL(word string) string {
	kind, value, hasDefault := strings.Cut(word, "=")
	kind, required := strings.CutSuffix(kind, "!")
	if hasDefault {
		kind += " DEFAULT " + value
	}
	if required {
		kind += " NOT NULL"
	}
	return kind
}

func foreignKey(column, target string) string {
	target, setNull := strings.CutSuffix(target, "?")
	table, key, _ := strings.Cut(target, ".")
	then := "CASCADE"
	if setNull {
		then = "SET NULL"
	}
	return fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s(%s) ON DELETE %s", quoteName(column), quoteName(table), quoteName(key), then)
}

func indexSQL(line string) string {
	line, unique := strings.CutPrefix(line, "unique ")
	kind := "INDEX"
	if unique {
		kind = "UNIQUE INDEX"
	}
	name, on, _ := strings.Cut(line, " ")
	table, columns, _ := strings.Cut(strings.TrimSuffix(on, ")"), "(")
	return fmt.Sprintf("CREATE %s %s ON %s (%s)", kind, quoteName(name), quoteName(table), quoteNames(columns))
}

// quoteNames quotes names that stand with spaces between them.
func quoteNames(list string) string {
	names := strings.Fields(list)
	for i, n := range names {
		names[i] = quoteName(n)
	}
	return strings.Join(names, ", ")
}

// migrations are the schema changes that the layout includes: the tool makes
// those that a database does not name.
const migrations = `
20260127222353_familiar_lady_ursula
20260211171708_add_project_commands
20260213144116_wakeful_the_professor
20260225215848_workspace
20260227213759_add_session_workspace_id
20260228203230_blue_harpoon
20260303231226_add_workspace_fields
20260309230000_move_org_to_state
20260312043431_session_message_cursor
20260323234822_events
20260410174513_workspace-name
20260413175956_chief_energizer
20260423070820_add_icon_url_override
20260427172553_slow_nightmare
20260428004200_add_session_path
20260501142318_next_venus
20260504145000_add_sync_owner
20260507164347_add_workspace_time
20260510033149_session_usage
20260511000411_data_migration_state
20260511173437_session-metadata
20260601010001_normalize_storage_paths
20260601202201_amazing_prowler
20260602002951_lowly_union_jack
20260602182828_add_project_directories
20260603001617_session_message_projection_indexes
20260603040000_session_message_projection_order
20260603141458_session_input_inbox
20260603160727_jittery_ezekiel_stane
20260604172448_event_sourced_session_input
20260605003541_add_session_context_snapshot
20260605042240_add_context_epoch_agent
20260611035744_credential
20260611192811_lush_chimera
20260612174303_project_dir_strategy
20260622142730_simplify_session_context_epoch
20260622170816_reset_v2_session_state
20260622202450_simplify_session_input
`
