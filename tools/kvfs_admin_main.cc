// kvfs-admin: looks after a store.
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#include "tools/admin/care_commands.h"
#include "tools/admin/cluster_commands.h"
#include "tools/admin/commands.h"
#include "tools/admin/watch_commands.h"
#include "tools/common/command_line.h"
#include "tools/common/exit_code.h"
#include "tools/common/members.h"
#include "tools/common/self_description.h"
#include "tools/common/version.h"

namespace kvfs::tools {
namespace {

constexpr char kFooter[] =
    R"(Which store: --data DIR names the data directory, or a mount point. Without it the one store
that is mounted is meant, or the default directory. `explain` finds it from PATH. A running
daemon is asked through the socket in DIR; it hears root and the user it runs as.

A cluster: --peer HOST:PORT names one of its nodes, which answers for all of them. Keys are given
as they are, as 0x and hexadecimal digits, or as dir:INODE for a directory of the filesystem.

Exit codes: 0 done, 1 wrong usage or not done (the reason is on standard error), 2 problems found.)";

class Commands {
 public:
  explicit Commands(CLI::App* app) {
    flags_.cluster = kDefaultCluster;
    app->add_option("--peer", flags_.peer, "A node of a cluster: HOST:PORT");
    app->add_option("--cluster", flags_.cluster, "The cluster's name (kvfs)");
    app->require_subcommand(1);
    app->footer(kFooter);
    app->set_version_flag("--version", "kvfs-admin " + std::string(kVersion));

    Add(app, "status", "How daemon, filesystem and store are, or a cluster", [this](CLI::App* sub) {
      sub->add_flag("--watch", watch_, "Again every two seconds, until interrupted");
      return Run([this] { return StatusCommand(flags_, watch_); });
    });
    Add(app, "members", "The nodes of a cluster, and what one of them believes of the others",
        [this](CLI::App*) -> Run { return [this] { return MembersCommand(flags_); }; });
    Add(app, "ring", "How the partitions are shared out among the nodes",
        [this](CLI::App*) -> Run { return [this] { return RingCommand(flags_); }; });
    Add(app, "explain", "What a file is, where it lies and what it takes", [this](CLI::App* sub) {
      sub->add_option("PATH", path_,
                      "A file or directory of a mount; with --peer also a partition key")
          ->required();
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

    Add(app, "plan", "What a change of a cluster's members would move; changes nothing",
        [this](CLI::App* sub) {
          AddPlanOptions(sub);
          return Run([this] { return PlanCommand(flags_, plan_); });
        });
    AddChanges(app);
    AddKv(app);
    AddConflicts(app);
    AddCare(app);
    AddWatching(app);
    Add(app, "keygen", "Make a key pair in FILE and print its public key", [this](CLI::App* sub) {
      sub->add_option("FILE", path_, "To be made; only its owner can read it")->required();
      return Run([this] { return KeygenCommand(flags_, path_); });
    });

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

  void AddPlanOptions(CLI::App* sub) {
    sub->add_option("--add", plan_.add, "A node that comes: NODE/zone=NAME/weight=NUMBER");
    sub->add_option("--set", plan_.set, "Another zone or weight for a node: the same");
    sub->add_option("--replace", plan_.replace, "A node for another one: OLD=NEW");
    sub->add_option("--remove", plan_.remove, "A node that goes: NODE");
  }

  // What changes the members that keep data.
  void AddChanges(CLI::App* app) {
    const auto apply = [this](CLI::App* sub) {
      sub->add_flag("--wait", wait_, "Return when everything is where it is to be");
      return Run([this] { return ApplyCommand(flags_, plan_, wait_); });
    };
    Add(app, "apply", "Change a cluster's members as `plan` shows", [this, apply](CLI::App* sub) {
      AddPlanOptions(sub);
      return apply(sub);
    });
    Add(app, "join", "Let nodes that have joined keep data", [this, apply](CLI::App* sub) {
      sub->add_option("NODES", plan_.add, "NODE/zone=NAME/weight=NUMBER")->required();
      return apply(sub);
    });
    Add(app, "leave", "Move everything away from nodes", [this, apply](CLI::App* sub) {
      sub->add_option("NODES", plan_.remove, "Their numbers")->required();
      return apply(sub);
    });
    Add(app, "replace", "Put nodes in the places of others", [this, apply](CLI::App* sub) {
      sub->add_option("NODES", plan_.replace, "OLD=NEW")->required();
      return apply(sub);
    });
    Add(app, "transfers", "How far a change of the members is",
        [this](CLI::App*) -> Run { return [this] { return TransfersCommand(flags_); }; });
  }

  void AddKv(CLI::App* app) {
    CLI::App* kv = app->add_subcommand("kv", "Single items of the store, for debugging");
    kv->require_subcommand(1);
    const auto add_keys = [this](CLI::App* sub) {
      sub->add_option("PK", kv_.pk, "The partition key")->required();
      sub->add_option("CK", kv_.ck, "The clustering key")->required();
    };
    const auto add_force = [this](CLI::App* sub) {
      sub->add_flag("--force", kv_.force, "Also what the filesystem keeps: it can destroy files");
    };
    Add(kv, "get", "Print an item", [this, add_keys](CLI::App* sub) {
      add_keys(sub);
      return Run([this] { return KvGetCommand(flags_, kv_); });
    });
    Add(kv, "put", "Write an item", [this, add_keys, add_force](CLI::App* sub) {
      add_keys(sub);
      sub->add_option("VALUE", kv_.value, "Its value")->required();
      add_force(sub);
      return Run([this] { return KvPutCommand(flags_, kv_); });
    });
    Add(kv, "delete", "Delete an item", [this, add_keys, add_force](CLI::App* sub) {
      add_keys(sub);
      add_force(sub);
      return Run([this] { return KvDeleteCommand(flags_, kv_); });
    });
    Add(kv, "scan", "Print the items of a partition key in order", [this](CLI::App* sub) {
      sub->add_option("PK", kv_.pk, "The partition key")->required();
      sub->add_option("--begin", kv_.begin, "From this clustering key on");
      sub->add_option("--end", kv_.end, "Before this clustering key");
      sub->add_option("--limit", kv_.limit, "How many at most (100; up to 10,000)");
      return Run([this] { return KvScanCommand(flags_, kv_); });
    });
  }

  void AddConflicts(CLI::App* app) {
    CLI::App* conflicts = app->add_subcommand(
        "conflicts", "What two sides of a broken network changed, and what became of it");
    conflicts->require_subcommand(1);
    Add(conflicts, "list", "All that is known of a mount", [this](CLI::App* sub) {
      sub->add_option("MOUNTPOINT", path_, "A mount point")->required();
      return Run([this] { return ConflictsCommand(flags_, path_, admin::ConflictsRequest::LIST); });
    });
    Add(conflicts, "show", "Those of one file", [this](CLI::App* sub) {
      sub->add_option("PATH", path_, "The file, or a conflict copy of it")->required();
      return Run([this] { return ConflictsCommand(flags_, path_, admin::ConflictsRequest::LIST); });
    });
    Add(conflicts, "resolve", "Settle those of one file", [this](CLI::App* sub) {
      sub->add_option("PATH", path_, "The file, or a conflict copy of it")->required();
      auto* which = sub->add_option_group("which");
      which->add_flag("--newest", newest_, "Remove the conflict copies");
      which->add_flag("--keep-both", keep_both_, "Keep them as files like others");
      which->require_option(1);
      return Run([this] {
        return ConflictsCommand(
            flags_, path_,
            newest_ ? admin::ConflictsRequest::NEWEST : admin::ConflictsRequest::KEEP_BOTH);
      });
    });
  }

  void AddCare(CLI::App* app) {
    Add(app, "hints", "What nodes keep for others that were away",
        [this](CLI::App*) -> Run { return [this] { return HintsCommand(flags_); }; });
    Add(app, "verify", "Prove by sums that all homes hold the same; exit code 2 if not",
        [this](CLI::App* sub) {
          sub->add_flag("--strict", strict_, "Also where only references to chunks differ");
          return Run([this] { return VerifyCommand(flags_, strict_); });
        });
    Add(app, "wait-converged", "Wait until all homes hold the same; exit code 2 if they do not",
        [this](CLI::App* sub) {
          sub->add_option("--timeout", seconds_, "Seconds (60)");
          return Run([this] { return WaitConvergedCommand(flags_, seconds_.value_or(60)); });
        });
    Add(app, "scrub", "Read and check every byte of the store, of every node of a cluster",
        [this](CLI::App*) -> Run { return [this] { return ScrubCommand(flags_); }; });
    CLI::App* config = app->add_subcommand("config", "The options that a daemon runs with");
    config->require_subcommand(1);
    Add(config, "list", "All of them",
        [this](CLI::App*) -> Run { return [this] { return ConfigCommand(flags_, ""); }; });
    Add(config, "get", "One of them", [this](CLI::App* sub) {
      sub->add_option("NAME", name_, "As on its command line, without dashes")->required();
      return Run([this] { return ConfigCommand(flags_, name_); });
    });
    Add(app, "log-level", "What the log of a daemon says, until it is started anew",
        [this](CLI::App* sub) {
          sub->add_option("LEVEL", name_, "error, warning, info or debug; none: says which it is");
          return Run([this] { return LogLevelCommand(flags_, name_); });
        });
  }

  void AddWatching(CLI::App* app) {
    Add(app, "top", "What each node, or a mount, is doing: operations, latencies, bytes",
        [this](CLI::App* sub) {
          sub->add_option("--interval", top_.interval_seconds, "Seconds between two pictures (2)");
          sub->add_option("--count", top_.count, "So many pictures (until interrupted)");
          return Run([this] { return TopCommand(flags_, top_); });
        });
    Add(app, "profile", "What a mount is asked for some seconds, and what took long",
        [this](CLI::App* sub) {
          sub->add_option("MOUNTPOINT", path_, "A mount point")->required();
          sub->add_option("--seconds", seconds_, "How long to look (5)");
          return Run([this] { return ProfileCommand(flags_, path_, seconds_.value_or(5)); });
        });
    Add(app, "metrics", "What a daemon has counted, as on its HTTP port",
        [this](CLI::App*) -> Run { return [this] { return MetricsCommand(flags_); }; });
    Add(app, "support-bundle", "Collect what helps to find out what is wrong; no content, no keys",
        [this](CLI::App* sub) {
          sub->add_option("FILE", path_, "A .tar.gz, to be made")->required();
          return Run([this] { return SupportBundleCommand(flags_, path_); });
        });
  }

  void Add(CLI::App* parent, const std::string& name, const std::string& about,
           const std::function<Run(CLI::App*)>& define) {
    CLI::App* sub = parent->add_subcommand(name, about);
    Run run = define(sub);
    sub->add_option("--data", flags_.store, "The data directory, or a mount point");
    sub->add_option("--peer", flags_.peer, "A node of a cluster: HOST:PORT");
    sub->add_option("--cluster", flags_.cluster, "The cluster's name (kvfs)");
    sub->add_option("--key", flags_.key, "Key pair; --peer is then NODE=HOST:PORT");
    sub->add_option("--allow", flags_.allow, "The list of the cluster's public keys");
    sub->add_flag("--json", flags_.json, "For programs");
    const std::string before = parent->get_parent() == nullptr ? "" : parent->get_name() + " ";
    sub->callback([this, before, name, run] {
      chosen_ = before + name;
      run_ = run;
    });
  }

  AdminFlags flags_;
  FsckFlags fsck_;
  KvFlags kv_;
  PlanFlags plan_;
  TopFlags top_;
  bool strict_ = false;
  std::optional<double> seconds_;
  std::string name_;
  bool watch_ = false;
  bool wait_ = false;
  bool newest_ = false;
  bool keep_both_ = false;
  std::string path_;
  std::string chosen_;
  Run run_;
};

int Main(int argc, char** argv) {
  CLI::App app("kvfs-admin: looks after a store of kvfs", "kvfs-admin");
  Commands commands(&app);
  if (DescribeItself(app, {8, kVersion, "kvfs(1), kvfsd(8)"}, argc, argv)) {
    return kExitOk;
  }
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
