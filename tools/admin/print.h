// Prints an answer to standard output, for people or for programs.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/admin/commands.h"
#include "tools/admin/render.h"
#include "tools/common/exit_code.h"

namespace kvfs::tools {

inline void PrintJson(const nlohmann::json& value) {
  using nlohmann::json;
  std::printf("%s\n", value.dump(2, ' ', false, json::error_handler_t::replace).c_str());
}

template <typename Answer>
int Print(const AdminFlags& flags, const Answer& answer) {
  if (flags.json) {
    PrintJson(ToJson(answer));
  } else {
    std::fputs(ToText(answer).c_str(), stdout);
  }
  return kExitOk;
}

}  // namespace kvfs::tools
