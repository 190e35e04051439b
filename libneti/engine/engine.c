/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engines by name, and the order of work, which is the same for all. Knows nothing of any
 * kernel interface.
 *
 * Adding: the table of connections has its size before the first rule that switches it on. Peers
 * come in first, so that no rule ever asks for members and lacks one; then the paths, then the
 * filter. Paths before the filter, because the filter refuses every overlay address that has no
 * path yet; the other way round each member would be refused between the two, while with paths
 * first the host is for that moment as open as it was. Surplus peers leave last, when no path
 * leads to them any more. Taking away goes the other way: filter, then paths.
 *
 * Flows that the old paths mapped are forgotten between paths and filter: the kernel tracks
 * connections from before the new paths map them, and what slipped through unmapped would then be
 * refused.
 *
 * Refusing strangers for the first time: the same rules without the final drop, which have the
 * kernel track connections; then what is open is entered there; then the final drop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "capability.h"
#include "effect.h"
#include "engine/conntrack/conntrack.h"
#include "engine_ops.h"

/* In the order in which "auto" tries them. */
#define KINDS "nftables or iptables"
static const struct engine_kind *const kinds[] = {
	&nftables_engine,
	&iptables_engine,
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_asked_for(const struct engine_kind *kind, const char *name)
{
	return strcmp(name, "auto") == 0 || strcmp(name, kind->name) == 0;
}

/* Of every engine: one may become another. */
static size_t largest(void)
{
	size_t size = 0;

	for (size_t i = 0; i < N_KINDS; i++)
		size = kinds[i]->size > size ? kinds[i]->size : size;
	return size;
}

static int open_kind(struct engine **ret, const struct engine_kind *kind,
	const struct settings *settings, const struct log *log, struct error *error)
{
	struct engine *engine = calloc(1, largest());
	int r;

	if (!engine || settings_copy(&engine->settings, settings) < 0) {
		free(engine);
		return error_memory(error);
	}
	engine->kind = kind;
	engine->log = log;
	/* Whoever changed the rules last may have been killed before it came to the flows. */
	engine->flows_unknown = true;
	r = kind->open(engine, error);
	if (r < 0)
		engine_close(engine);
	else
		*ret = engine;
	return r;
}

/* The engine that "auto" has to keep to: 1, 0 when there is none. */
static int find_stubborn(const struct engine_kind **ret, const struct log *log, struct error *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < N_KINDS; i++) {
		r = kinds[i]->stays ? kinds[i]->stays(error) : 0;
		if (r != 1)
			continue;
		log_warning(log, "%s", error->text);
		*ret = kinds[i];
	}
	return r;
}

static int open_first(struct engine **ret, const struct settings *settings, const struct log *log,
	struct error *error)
{
	const struct engine_kind *stubborn = NULL;
	bool known = false;
	int r;

	if (strcmp(settings->engine, "auto") == 0 && find_stubborn(&stubborn, log, error) < 0)
		return error->result;
	r = -EPROTONOSUPPORT;

	for (size_t i = 0; r == -EPROTONOSUPPORT && i < N_KINDS; i++)
		if (stubborn ? kinds[i] == stubborn : is_asked_for(kinds[i], settings->engine)) {
			r = open_kind(ret, kinds[i], settings, log, error);
			known = true;
		}
	if (!known)
		r = error_set(error, -EINVAL, NETI_REASON_SETTINGS,
			"engine: there is no \"%s\": give auto, " KINDS, settings->engine);
	return r;
}

int engine_open(struct engine **ret, const struct settings *settings, const struct log *log,
	struct error *error)
{
	struct settings *defaults = NULL;
	int r = capability_check(error);

	if (r == 0)
		r = conntrack_check(error);
	if (r == 0 && !settings && settings_new(&defaults) < 0)
		r = error_memory(error);
	if (r == 0)
		r = open_first(ret, settings ? settings : defaults, log, error);
	settings_free(defaults);
	return r;
}

struct engine *engine_close(struct engine *engine)
{
	if (engine && engine->kind && engine->kind->close)
		engine->kind->close(engine);
	if (engine) {
		netlink_line_close(&engine->line);
		settings_free(engine->settings);
	}
	free(engine);
	return NULL;
}

const char *engine_name(const struct engine *engine)
{
	return engine->kind->name;
}

bool engine_suits(const struct engine *engine, const struct settings *settings)
{
	const struct settings *own = engine->settings;
	const char *lock = own->xtables_lock ? own->xtables_lock : "";

	return strcmp(own->engine, settings->engine) == 0 &&
	       own->conntrack_max == settings->conntrack_max &&
	       strcmp(lock, settings->xtables_lock ? settings->xtables_lock : "") == 0;
}

/* What the kernel holds is of one family; another one is a mistake of who built the ruleset. */
static const struct address *find_other_family(const struct address *peers, size_t n_peers,
	const struct path *paths, size_t n_paths)
{
	for (size_t i = 0; i < n_peers; i++)
		if (peers[i].family != AF_INET)
			return &peers[i];
	for (size_t i = 0; i < n_paths; i++)
		if (paths[i].overlay.family != AF_INET || paths[i].target.family != AF_INET)
			return &paths[i].target;
	return NULL;
}

/* diff: of a ruleset that was right, or NULL. */
static int check_families(const struct ruleset *wanted, const struct ruleset_diff *diff,
	struct error *error)
{
	char text[ADDRESS_TEXT_MAX];
	const struct address *bad;

	bad = diff ? find_other_family(diff->peers_added, diff->n_peers_added, diff->paths_added,
			     diff->n_paths_added) :
		     find_other_family(wanted->peers, wanted->n_peers, wanted->paths,
			     wanted->n_paths);
	if (!bad && diff)
		bad = find_other_family(NULL, 0, diff->paths_changed, diff->n_paths_changed);
	if (!bad && wanted->overlay.address.family != AF_INET)
		bad = &wanted->overlay.address;
	if (!bad)
		return 0;
	return error_set(error, -EAFNOSUPPORT, NETI_REASON_UNSUPPORTED,
		"no path can lead to %s: the overlay and its members are IPv4",
		address_format(bad, text));
}

/* A failure leaves the flows unknown, so that the next pass tries again, and is no reason to leave
 * the host open. */
static int write_paths(struct engine_work *work, struct error *error)
{
	struct engine *engine = work->engine;
	/* What is changed in place is of one policy. */
	struct forget forget = { work->diff && !work->from ? work->to : work->from, work->to,
		engine->flows_unknown ? NULL : work->diff, &engine->line };
	struct error failed;
	int r = engine->kind->paths->write(work, error);

	engine->flows_unknown |= r != 0; /* a failure may come after the change */
	if (r < 0 || !engine->flows_unknown)
		return r;
	r = conntrack_flush_stale(&forget, &work->report->flows_forgotten, &failed);
	engine->flows_unknown = r < 0;
	if (r < 0 && work->later.result == 0)
		work->later = failed;
	return 0;
}

/* What cannot be imported is no reason to leave the host open. */
static void import(struct engine_work *work)
{
	const struct log *log = work->engine->log;
	struct imported imported = { 0 };
	int r = conntrack_import(work->to, &imported);

	work->report->sockets_learned = imported.sockets - imported.refused;
	if (r < 0)
		log_warning(log,
			"cannot list the open connections: those that are older than the "
			"rules may be cut off: %s",
			strerrordesc_np(-r));
	else if (imported.refused)
		log_warning(log, "%zu of the %zu open connections may be cut off: %s",
			imported.refused, imported.sockets, strerrordesc_np(-imported.result));
}

static int write_filter(struct engine_work *work, struct error *error)
{
	const struct engine_filter *filter = work->engine->kind->filter;
	int r = filter->observe(work, error);

	if (r == 1)
		import(work);
	return r < 0 ? r : filter->enforce(work, error);
}

/* A filter that stands refuses every overlay address without a path. What stays although all else
 * went is an error too. */
static int take_away(struct engine *engine, struct engine_report *report, struct error *error)
{
	struct error failed;
	int r = engine->kind->filter->remove(engine, report, error);
	int other = r < 0 ? 0 : engine->kind->paths->remove(engine, report, &failed);

	if (r == 0 && other != 0)
		*error = failed;
	return r == 0 && other == 0 ? 0 : error->result;
}

/* An engine whose rules are still there, put by an older version or by other settings. */
static int remove_other(const struct engine *engine, const struct engine_kind *kind,
	struct engine_report *report, struct error *error)
{
	struct engine *other = NULL;
	int r = kind->is_there(error);

	if (r > 0)
		r = open_kind(&other, kind, engine->settings, engine->log, error);
	if (!other)
		return r;
	report->changed = true;
	r = take_away(other, report, error);
	engine_close(other);
	return r;
}

static int remove_others(struct engine *engine, struct engine_report *report, struct error *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < N_KINDS; i++)
		if (kinds[i] != engine->kind)
			r = remove_other(engine, kinds[i], report, error);
	engine->alone = r == 0;
	return r;
}

/* What others hold in place stays: all that is wanted is in force. */
static int leave_others(struct engine_work *work, struct error *error)
{
	struct engine *engine = work->engine;
	int r = remove_others(engine, work->report, error);

	if (r != -EBUSY)
		return r;
	if (!engine->leftover_said)
		log_warning(engine->log, "%s", error->text);
	engine->leftover_said = true;
	return 0;
}

/* Once an engine, of all that is in force: while another engine's rules are there, those answer. */
static int prove(struct engine_work *work, struct error *error)
{
	struct engine *engine = work->engine;
	int r;

	if (engine->proved || !engine->alone)
		return 0;
	r = effect_of(work->to);
	engine->proved = r > 0;
	if (r != 0)
		return 0;
	work->useless = true;
	return error_set(error, -EPROTONOSUPPORT, NETI_REASON_UNSUPPORTED,
		"%s: the kernel takes the rules and does nothing: what goes to an overlay address "
		"without a member is not refused",
		engine->kind->name);
}

/* THE order of work. */
static int carry_out(struct engine_work *work, struct error *error)
{
	struct engine *engine = work->engine;
	const struct engine_filter *filter = engine->kind->filter;
	int r = check_families(work->to, work->diff, error);

	if (r == 0 && !work->diff)
		conntrack_size(engine->settings->conntrack_max, &engine->size_said, engine->log);
	if (r == 0)
		r = filter->peers_in(work, error);
	if (r == 0)
		r = write_paths(work, error);
	if (r == 0 && !work->diff)
		r = write_filter(work, error);
	if (r == 0)
		r = filter->peers_out(work, error);
	if (r == 0 && !work->diff && !engine->alone)
		r = leave_others(work, error);
	if (r == 0 && !work->diff)
		r = prove(work, error);
	if (r < 0 || work->later.result == 0)
		return r;
	*error = work->later;
	return error->result;
}

static double now(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

/* As far as it is known without a look. */
static bool engine_is_held(struct engine *engine, const struct ruleset *wanted)
{
	return engine->alone && !engine->flows_unknown && engine->kind->holds &&
	       engine->kind->holds(engine, wanted->serial);
}

int engine_apply(struct engine *engine, const struct ruleset *wanted, struct engine_report *ret,
	struct error *error)
{
	return engine_change(engine, NULL, wanted, NULL, ret, error);
}

static void become(struct engine *engine, const struct engine_kind *kind)
{
	if (engine->kind->close)
		engine->kind->close(engine);
	memset((char *)engine + sizeof(*engine), 0, largest() - sizeof(*engine));
	engine->kind = kind;
	engine->alone = engine->proved = false;
	engine->flows_unknown = true;
}

/* What "auto" took does nothing here: the next one that can be had is taken in its place. Without one
 * the rules stay, and the error. */
static int take_next(struct engine_work *work, struct error *error)
{
	struct engine *engine = work->engine, *other = NULL;
	struct error failed, useless = *error;
	size_t i = 0;

	while (kinds[i] != engine->kind)
		i++;
	for (i++; !other && i < N_KINDS; i++)
		open_kind(&other, kinds[i], engine->settings, engine->log, &failed);
	if (!other)
		return useless.result;
	take_away(engine, work->report, &failed);
	become(engine, other->kind);
	engine_close(other);
	if (engine->kind->open(engine, error) < 0)
		return error->result;
	log_warning(engine->log, "%s: the engine of %s is used instead", useless.text,
		engine->kind->name);
	work->useless = false;
	work->later = (struct error){ 0 };
	return 0;
}

/* Another policy is rare and concerns the whole filter, and perhaps what is open: as when nothing
 * is known of the kernel. */
int engine_change(struct engine *engine, const struct ruleset *from, const struct ruleset *to,
	const struct ruleset_diff *diff, struct engine_report *ret, struct error *error)
{
	struct engine_report report = { 0 };
	struct engine_work work = { .engine = engine, .from = from, .to = to, .report = &report };
	double start = now();
	int r = 0;

	if (diff && !diff->policy_changed)
		work.diff = diff;
	if (!engine_is_held(engine, to)) {
		r = carry_out(&work, error);
		if (work.useless && strcmp(engine->settings->engine, "auto") == 0 &&
			take_next(&work, error) == 0)
			r = carry_out(&work, error);
		report.seconds = now() - start;
	}
	if (ret)
		*ret = report;
	return r;
}

bool engine_changes_in_place(const struct engine *engine)
{
	return engine->kind->changes_in_place;
}

int engine_update(struct engine *engine, const struct ruleset *from, const struct ruleset *to,
	struct engine_report *ret, struct error *error)
{
	struct ruleset_diff diff = { 0 };
	int r;

	if (engine_is_held(engine, to) || ruleset_diff(&diff, from, to) == 0)
		r = engine_change(engine, from, to, &diff, ret, error);
	else
		r = error_memory(error);
	ruleset_diff_clear(&diff);
	return r;
}

int engine_compare(struct engine *engine, const struct ruleset *wanted, struct buffer *diff,
	struct error *error)
{
	size_t before = diff->length;
	int r;

	if (wanted && engine_is_held(engine, wanted))
		return 0;
	r = wanted ? check_families(wanted, NULL, error) : 0;
	for (size_t i = 0; r == 0 && !engine->alone && i < N_KINDS; i++) {
		r = kinds[i] == engine->kind ? 0 : kinds[i]->is_there(error);
		if (r == 1)
			buffer_print(diff, "- all that the engine of %s put up\n", kinds[i]->name);
		r = r > 0 ? 0 : r;
	}
	if (r == 0)
		r = engine->kind->paths->compare(engine, wanted, diff, error);
	if (r == 0)
		r = engine->kind->filter->compare(engine, wanted, diff, error);
	if (r < 0)
		return r;
	if (diff->length > before) /* whoever did it may have put up the other engine's, too */
		engine->alone = false;
	return buffer_result(diff) < 0 ? error_memory(error) : diff->length > before;
}

int engine_flush(struct engine *engine, struct engine_report *ret, struct error *error)
{
	struct engine_report report = { 0 };
	double start = now();
	int r = take_away(engine, &report, error);

	if (r == 0)
		r = remove_others(engine, &report, error);
	engine->flows_unknown = true;
	report.seconds = now() - start;
	if (ret)
		*ret = report;
	return r;
}

int engine_descriptor(struct engine *engine)
{
	return engine->kind->descriptor ? engine->kind->descriptor(engine) : -1;
}

int engine_hear(struct engine *engine, struct engine_heard *ret)
{
	*ret = (struct engine_heard){ 0 };
	return engine->kind->hear ? engine->kind->hear(engine, ret) : 0;
}

/* While another engine's rules are still there, they let in whom they let in. */
static int add_other_peers(const struct engine *engine, const struct engine_kind *kind,
	struct address **peers, size_t *n, struct error *error)
{
	struct address *more = NULL, *all;
	struct engine *other = NULL;
	size_t n_more = 0;
	int r = kind->is_there(error);

	if (r > 0)
		r = open_kind(&other, kind, engine->settings, engine->log, error);
	if (!other)
		return r;
	r = kind->filter->peers(other, &more, &n_more, error);
	all = r == 0 ? reallocarray(*peers, *n + n_more + 1, sizeof(*all)) : NULL;
	if (r == 0 && !all)
		r = error_memory(error);
	if (all && n_more)
		memcpy(all + *n, more, n_more * sizeof(*all));
	if (all) {
		*peers = all;
		*n += n_more;
	}
	free(more);
	engine_close(other);
	return r;
}

static size_t drop_repeated(struct address *peers, size_t n)
{
	size_t kept = n > 0;

	address_sort(peers, n);
	for (size_t i = 1; i < n; i++)
		if (!address_equal(&peers[kept - 1], &peers[i]))
			peers[kept++] = peers[i];
	return kept;
}

int engine_peers(struct engine *engine, struct address **ret, size_t *ret_n, struct error *error)
{
	struct address *peers = NULL;
	size_t n = 0;
	int r = engine->kind->filter->peers(engine, &peers, &n, error);

	for (size_t i = 0; r == 0 && !engine->alone && i < N_KINDS; i++)
		if (kinds[i] != engine->kind)
			r = add_other_peers(engine, kinds[i], &peers, &n, error);
	if (r < 0) {
		free(peers);
		return r;
	}
	*ret_n = engine->alone ? n : drop_repeated(peers, n);
	*ret = peers;
	return 0;
}

static int compare_denied(const void *a, const void *b)
{
	const struct denied *p = a, *q = b;

	if (p->packets != q->packets)
		return p->packets > q->packets ? -1 : 1;
	return address_compare(&p->source, &q->source);
}

int engine_denied(struct engine *engine, struct denied **ret, size_t *ret_n, struct error *error)
{
	int r = engine->kind->filter->denied(engine, ret, ret_n, error);

	if (r == 0 && *ret_n)
		qsort(*ret, *ret_n, sizeof(**ret), compare_denied);
	return r;
}

void engine_levels(struct engine *engine, struct engine_level ret[ENGINE_TABLES])
{
	struct engine_level *conntrack = &ret[ENGINE_CONNTRACK];

	memset(ret, 0, ENGINE_TABLES * sizeof(*ret));
	engine->kind->filter->levels(engine, ret);
	if (!conntrack_fill(&conntrack->entries, &conntrack->max))
		conntrack->max = 0;
}

int engine_enforces(struct engine *engine, struct error *error)
{
	return engine->kind->filter->enforces(engine, error);
}

int engine_render(const char *name, const struct ruleset *ruleset, struct buffer *text)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		int r;

		if (!is_asked_for(kinds[i], name))
			continue;
		r = kinds[i]->paths->render(ruleset, text);
		return r < 0 ? r : kinds[i]->filter->render(ruleset, text);
	}
	return -EINVAL;
}
