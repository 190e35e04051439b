/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_CAPABILITY_H
#define NETI_CAPABILITY_H
#include "base/error.h"

/* Whether this thread may change the kernel's rules; names the capability that is missing. */
int capability_check(struct error *error);

#endif
