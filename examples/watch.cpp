// SPDX-License-Identifier: LGPL-2.1-or-later
// Says what the fleet does, until it has been quiet for a second. No member, no rules, no root.
//
// usage: watch NETI.YML
#include "neti.hpp"
#include <exception>
#include <iostream>
#include <poll.h>

static void print(const char *what, const neti_members *members)
{
	char overlay[NETI_ADDRESS_MAX];

	for (size_t i = 0; i < neti_members_count(members); i++) {
		const neti_member *member = neti_members_get(members, i);
		std::cout << what << ' ' << neti_member_id(member) << ' '
			  << neti_member_overlay(member, overlay) << '\n';
	}
}

static void on_event(void *, const neti_event *event)
{
	if (neti_event_get_type(event) != NETI_EVENT_MEMBERS)
		return;
	print("came", neti_event_added(event));
	print("moved", neti_event_moved(event));
	print("went", neti_event_removed(event));
}

int main(int argc, char **argv)
try {
	if (argc != 2)
		return 2;
	auto context = neti::make<neti::context>(nullptr, neti_context_new);
	auto settings = neti::make<neti::settings>(context.get(), neti_settings_new, context.get());
	neti::check(neti_settings_load(settings.get(), argv[1]), context.get());
	auto agent = neti::make<neti::agent>(context.get(), neti_agent_new, settings.get());
	neti_agent_set_member(agent.get(), false);
	neti_agent_set_rules(agent.get(), false);
	neti_agent_set_callback(agent.get(), on_event, nullptr);
	neti::check(neti_agent_start(agent.get()), context.get());
	pollfd fd = { neti_agent_fd(agent.get()), POLLIN, 0 };
	while (poll(&fd, 1, 1000) > 0)
		neti_agent_dispatch(agent.get());
	return 0;
} catch (const std::exception &failure) {
	std::cerr << failure.what() << '\n';
	return 1;
}
