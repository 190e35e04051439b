// SPDX-License-Identifier: LGPL-2.1-or-later
// libneti for C++11: handles that give themselves back, failures as exceptions. Copy and adapt.
#pragma once
#include <memory>
#include <neti/neti.h>
#include <string>
#include <system_error>

namespace neti {

template <typename T, void (*unref)(T *)> struct give_back {
	void operator()(T *object) const { unref(object); }
};
template <typename T, void (*unref)(T *)> using handle = std::unique_ptr<T, give_back<T, unref>>;

using context = handle<neti_context, neti_context_unref>;
using settings = handle<neti_settings, neti_settings_unref>;
using members = handle<neti_members, neti_members_unref>;
using registry = handle<neti_registry, neti_registry_unref>;
using ruleset = handle<neti_ruleset, neti_ruleset_unref>;
using engine = handle<neti_engine, neti_engine_unref>;
using agent = handle<neti_agent, neti_agent_unref>;

inline int check(int result, const neti_context *context)
{
	if (result < 0)
		throw std::system_error(-result, std::generic_category(),
			context ? neti_context_message(context) : "libneti");
	return result;
}

// auto registry = neti::make<neti::registry>(context.get(), neti_registry_open, settings.get());
template <typename Handle, typename Function, typename... Arguments>
Handle make(const neti_context *context, Function function, Arguments... arguments)
{
	typename Handle::pointer object = nullptr;
	check(function(&object, arguments...), context);
	return Handle(object);
}

} // namespace neti
