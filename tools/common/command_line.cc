#include "tools/common/command_line.h"

#include <string>

namespace kvfs::tools {

Status CheckCommandName(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2 || argv[1][0] == '-') {
    return Status::Ok();
  }
  std::string known;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->check_name(argv[1])) {
      return Status::Ok();
    }
    known += (known.empty() ? "" : ", ") + command->get_name();
  }
  return Status::InvalidArgument(app.get_name() + ": unknown command '" + argv[1] +
                                 "'; there are " + known);
}

}  // namespace kvfs::tools
