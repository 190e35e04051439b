/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_HOST_NETWORKS_H
#define NETI_HOST_NETWORKS_H
/*
 * Which networks are this host's own: the subnets of its interfaces, and its routes in every
 * table but the default ones. In the network namespace of the thread that calls.
 */
#include "base/error.h"
#include "ruleset/ruleset.h"

/*
 * Those that overlap the overlay subnet: sorted, each once; the caller clears. 1 when there are
 * some, and the sentence names the first; 0 when there is none, or -errno with the sentence.
 * Loopback, and routes that lead into it, do not count.
 */
int host_networks_overlapping(const struct prefix *overlay, struct prefix_list *ret,
	struct error *error);

#endif
