/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IDENTITY_EC2_H
#define NETI_IDENTITY_EC2_H
/*
 * What the instance metadata service of EC2, version 2, says of this host. Asked step by step,
 * so that the agent's worker need not wait for it.
 */
#include <stdbool.h>

#include "base/address.h"
#include "base/error.h"

struct ec2_wanted {
	bool id, private_ip, public_ip, network;
};

struct ec2_answer {
	char id[64];
	struct address private_ip;
	struct address public_ip; /* unset: the instance has none */
	const char *network;	  /* "vpc", or "ec2" for an instance outside any */
};

struct ec2_ask;

int ec2_ask_new(struct ec2_ask **ret, const struct ec2_wanted *wanted, struct error *error);
struct ec2_ask *ec2_ask_free(struct ec2_ask *ask);
/* Goes on as far as it can without waiting: 0 done, -EINPROGRESS, or another -errno. What was
 * not wanted stays unset. */
int ec2_ask_step(struct ec2_ask *ask, struct ec2_answer *ret, struct error *error);
/* Waits until there may be something to go on with. */
void ec2_ask_wait(struct ec2_ask *ask);

#endif
