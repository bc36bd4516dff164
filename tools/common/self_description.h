// What a program's command line says of itself in other forms than --help: a manual page, and
// completion for bash and zsh. Made from the CLI::App, so they cannot differ from --help. The build
// asks the programs for them (packaging/CMakeLists.txt). Pure but for DescribeItself.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace kvfs::tools {

struct ManualFacts {
  int section = 1;
  std::string version;
  std::string see_also;  // "kvfs(1), kvfsd(8)"
};

std::string ManualPage(const CLI::App& app, const ManualFacts& facts);
std::string BashCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);

// `PROGRAM --describe man|bash|zsh` prints one of them. False: the command line is another one.
bool DescribeItself(const CLI::App& app, const ManualFacts& facts, int argc,
                    const char* const* argv);

}  // namespace kvfs::tools
