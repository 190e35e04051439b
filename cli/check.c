/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check: the host in one line, as monitoring plugins do it: a word for the state, a sentence,
 * then figures behind a bar, and the state as the exit status. Reads the agent's status file
 * alone, so that it needs no privilege and no registry.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "status.h"

#define BEHIND_SECONDS 60
#define DRIFT_SECONDS 300 /* a repair is worth a look for so long */
#define TABLE_WARNING 80  /* per cent */
#define TABLE_CRITICAL 95

enum state { STATE_OK, STATE_WARNING, STATE_CRITICAL, STATE_UNKNOWN };

struct verdict {
	enum state state;
	char text[8192]; /* the sentences, the worst first: all causes of trouble have room */
};

static json_int_t number(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json, name));
}

static const char *text(const json_t *json, const char *name)
{
	const char *value = json_string_value(json_object_get(json, name));

	return value ? value : "";
}

/* The bar begins the figures, and a second line would be lost: neither may stand in a sentence. */
static void make_plain(char *sentence)
{
	for (char *c = sentence; *c; c++)
		if (*c == '|' || *c == '\n')
			*c = '/';
}

__attribute__((format(printf, 3, 4))) static void find(struct verdict *verdict, enum state state,
	const char *format, ...)
{
	char sentence[1024], before[sizeof(verdict->text)];
	bool worse = state > verdict->state;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	make_plain(sentence);
	strcpy(before, verdict->text);
	snprintf(verdict->text, sizeof(verdict->text), "%s%s%s", worse ? sentence : before,
		*before ? "; " : "", worse ? before : sentence);
	if (worse)
		verdict->state = state;
}

/* Each by itself: a long one shall not cut off the next. */
static void judge_troubles(struct verdict *verdict, const json_t *status)
{
	json_t *troubles = json_object_get(status, "troubles"), *trouble;
	const char *cause;

	json_object_foreach (troubles, cause, trouble)
		find(verdict, STATE_CRITICAL, "%s", json_string_value(trouble));
	if (!json_object_size(troubles) && *text(status, "trouble")) /* all that 0.1 told */
		find(verdict, STATE_CRITICAL, "%s", text(status, "trouble"));
}

static void judge_agent(struct verdict *verdict, const json_t *status)
{
	const char *registry = text(status, "registry"), *trouble = text(status, "trouble");
	bool outside = json_is_false(json_object_get(status, "joined"));

	if (number(status, "age") > STATUS_SILENT_S)
		find(verdict, STATE_CRITICAL, "the agent has not updated its status for %lld s",
			(long long)number(status, "age"));
	judge_troubles(verdict, status);
	if (strcmp(registry, "refused") == 0)
		find(verdict, STATE_CRITICAL, "the registry refuses this host");
	else if (strcmp(registry, "connected") != 0)
		find(verdict, STATE_WARNING, "registry %s, the rules stay as they are", registry);
	else if (json_is_false(json_object_get(status, "ready")))
		find(verdict, STATE_WARNING, "the members are being read");
	if (outside && !*trouble)
		find(verdict, STATE_WARNING, "this host is not in the fleet yet");
}

static void judge_rules(struct verdict *verdict, const json_t *status)
{
	const json_t *repaired = json_object_get(status, "repaired");
	const char *from = json_string_value(json_object_get(status, "repaired_from"));

	if (!json_is_integer(json_object_get(json_object_get(status, "applied"), "age")))
		find(verdict, STATE_WARNING, "no rules have been applied yet");
	if (number(status, "held"))
		find(verdict, STATE_WARNING, "%lld removals are held by the guard",
			(long long)number(status, "held"));
	else if (number(status, "behind") > BEHIND_SECONDS)
		find(verdict, STATE_WARNING, "not in sync for %lld s",
			(long long)number(status, "behind"));
	if (json_is_integer(repaired) && json_integer_value(repaired) < DRIFT_SECONDS)
		find(verdict, STATE_WARNING, "drift was repaired %lld s ago%s%s",
			(long long)json_integer_value(repaired), from ? ", made by " : "",
			from ? from : "");
	if (number(status, "skipped"))
		find(verdict, STATE_WARNING, "%lld registry entries cannot be read",
			(long long)number(status, "skipped"));
}

static void judge_tables(struct verdict *verdict, json_t *tables)
{
	const char *name;
	json_t *table;

	json_object_foreach (tables, name, table) {
		json_int_t max = number(table, "max"), entries = number(table, "entries");
		json_int_t percent = max > 0 ? entries * 100 / max : 0;

		if (percent >= TABLE_WARNING)
			find(verdict, percent >= TABLE_CRITICAL ? STATE_CRITICAL : STATE_WARNING,
				"table %s is %lld %% full", name, (long long)percent);
	}
}

/* label=value[unit];warning;critical;minimum;maximum */
static void print_figures(const json_t *status)
{
	const json_t *applied = json_object_get(status, "applied");
	json_t *tables = json_object_get(status, "tables"), *table;
	const json_t *age = json_object_get(applied, "age");
	const char *name;

	printf(" | members=%lld;;;0 held=%lld;0;;0 skipped=%lld;0;;0 behind=%llds;%d;;0",
		(long long)number(status, "members"), (long long)number(status, "held"),
		(long long)number(status, "skipped"), (long long)number(status, "behind"),
		BEHIND_SECONDS);
	if (json_is_integer(age))
		printf(" applied_age=%llds;;;0 commit=%.6fs;;;0",
			(long long)json_integer_value(age),
			json_real_value(json_object_get(applied, "seconds")));
	printf(" repairs=%lldc", (long long)number(status, "repairs"));
	json_object_foreach (tables, name, table) {
		long long max = number(table, "max");

		printf(" %s=%lld;%lld;%lld;0;%lld", name, (long long)number(table, "entries"),
			max * TABLE_WARNING / 100, max * TABLE_CRITICAL / 100, max);
	}
}

static int print_verdict(const struct netictl *netictl, const struct verdict *verdict,
	json_t *status)
{
	static const char *const names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

	if (netictl->line.json) {
		print_json(json_pack("{s:s, s:s, s:O?}", "state", names[verdict->state], "text",
			verdict->text, "status", status));
		return (int)verdict->state;
	}
	printf("NETI %s: %s", names[verdict->state], verdict->text);
	if (status)
		print_figures(status);
	putchar('\n');
	return (int)verdict->state;
}

int check_unknown(const struct netictl *netictl, const char *sentence)
{
	struct verdict verdict = { 0 };

	find(&verdict, STATE_UNKNOWN, "%s", sentence);
	return print_verdict(netictl, &verdict, NULL);
}

int command_check(struct netictl *netictl)
{
	const char *state_dir = neti_settings_state_dir(netictl->settings);
	struct verdict verdict = { 0 };
	json_t *status;
	int result;

	if (!agent_runs(state_dir)) {
		find(&verdict, STATE_CRITICAL, "no agent runs on this host (state_dir %s)",
			state_dir);
		return print_verdict(netictl, &verdict, NULL);
	}
	status = status_read(state_dir);
	if (!status)
		return check_unknown(netictl, "the agent has not written its status yet");
	judge_agent(&verdict, status);
	judge_rules(&verdict, status);
	judge_tables(&verdict, json_object_get(status, "tables"));
	if (verdict.state == STATE_OK)
		find(&verdict, STATE_OK, "%s is %s, %lld members, in sync", text(status, "id"),
			text(status, "overlay"), (long long)number(status, "members"));
	result = print_verdict(netictl, &verdict, status);
	json_decref(status);
	return result;
}
