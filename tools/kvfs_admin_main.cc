// kvfs-admin: looks after a store.
#include <cstdio>
#include <functional>
#include <string>

#include "tools/admin/commands.h"
#include "tools/common/command_line.h"
#include "tools/common/exit_code.h"
#include "tools/common/version.h"

namespace kvfs::tools {
namespace {

constexpr char kFooter[] =
    R"(Which store: --data DIR names the data directory, or a mount point. Without it the one store
that is mounted is meant, or the default directory. `explain` finds it from PATH. A running
daemon is asked through the socket in DIR; it hears root and the user it runs as.

Exit codes: 0 done, 1 wrong usage or not done (the reason is on standard error), 2 problems found.)";

class Commands {
 public:
  explicit Commands(CLI::App* app) {
    app->require_subcommand(1);
    app->footer(kFooter);
    app->set_version_flag("--version", "kvfs-admin " + std::string(kVersion));

    Add(app, "status", "How daemon, filesystem and store are",
        [this](CLI::App*) -> Run { return [this] { return StatusCommand(flags_); }; });
    Add(app, "explain", "What a file is, where it lies and what it takes", [this](CLI::App* sub) {
      sub->add_option("PATH", path_, "A file or directory of a mount")->required();
      return Run([this] { return ExplainCommand(flags_, path_); });
    });
    Add(app, "fsck", "Verify everything, mounted or not", [this](CLI::App* sub) {
      sub->add_option("DIR", flags_.store, "The data directory, or a mount point");
      sub->add_flag("--repair", fsck_.repair,
                    "Mend what can be mended; the store must be unmounted");
      sub->add_flag("--skip-bytes", fsck_.skip_bytes, "Do not read the content of chunks");
      return Run([this] { return FsckCommand(flags_, fsck_); });
    });
    Add(app, "checkpoint", "Copy this moment of a mounted store, by hard links where possible",
        [this](CLI::App* sub) {
          sub->add_option("DIRECTORY", path_, "To be made; on the same disk as the store")
              ->required();
          return Run([this] { return CheckpointCommand(flags_, path_); });
        });
    Add(app, "gc", "Give the space of deleted data back now",
        [this](CLI::App*) -> Run { return [this] { return CollectCommand(flags_); }; });

    CLI::App* engine = app->add_subcommand("engine", "The storage engine");
    engine->require_subcommand(1);
    Add(engine, "stats", "Files, memory and traffic of the engine",
        [this](CLI::App*) -> Run { return [this] { return EngineStatsCommand(flags_); }; });
    Add(engine, "dump", "One file of the engine as text: log, table, blob file, manifest",
        [this](CLI::App* sub) {
          sub->add_option("FILE", path_, "A log, table, blob file or manifest")->required();
          return Run([this] { return EngineDumpCommand(flags_, path_); });
        });
  }

  const std::string& chosen() const { return chosen_; }
  Result<int> Execute() const { return run_(); }

 private:
  using Run = std::function<Result<int>()>;

  void Add(CLI::App* parent, const std::string& name, const std::string& about,
           const std::function<Run(CLI::App*)>& define) {
    CLI::App* sub = parent->add_subcommand(name, about);
    Run run = define(sub);
    sub->add_option("--data", flags_.store, "The data directory, or a mount point");
    sub->add_flag("--json", flags_.json, "For programs");
    sub->callback([this, name, run] {
      chosen_ = name;
      run_ = run;
    });
  }

  AdminFlags flags_;
  FsckFlags fsck_;
  std::string path_;
  std::string chosen_;
  Run run_;
};

int Main(int argc, char** argv) {
  CLI::App app("kvfs-admin: looks after a store of kvfs", "kvfs-admin");
  Commands commands(&app);
  if (const Status known = CheckCommandName(app, argc, argv); !known.ok()) {
    std::fprintf(stderr, "%s\n", known.message().c_str());
    return kExitFailed;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitFailed;
  }
  const Result<int> code = commands.Execute();
  if (!code.ok()) {
    std::fprintf(stderr, "kvfs-admin %s: %s\n", commands.chosen().c_str(),
                 code.error().message().c_str());
    return kExitFailed;
  }
  return *code;
}

}  // namespace
}  // namespace kvfs::tools

int main(int argc, char** argv) { return kvfs::tools::Main(argc, argv); }
