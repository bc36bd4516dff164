// `kvfs-admin support-bundle`.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kvcore/ops/metrics.h"
#include "tools/admin/every_node.h"
#include "tools/admin/locate.h"
#include "tools/admin/print.h"
#include "tools/admin/watch_commands.h"
#include "tools/common/paths.h"
#include "tools/common/process.h"
#include "tools/common/version.h"

namespace kvfs::tools {
namespace {

using nlohmann::json;

// A directory that goes when this does.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/kvfs-bundle.XXXXXX";
    const char* const made = mkdtemp(name);
    path_ = made == nullptr ? "" : made;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    if (!path_.empty()) {
      std::filesystem::remove_all(path_, error);
    }
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Bundle {
 public:
  explicit Bundle(std::string directory) : directory_(std::move(directory)) {}

  void Add(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text << "\n";
    names_.push_back(name);
  }
  void Add(const std::string& name, const json& value) {
    Add(name, value.dump(2, ' ', false, json::error_handler_t::replace));
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  const std::string directory_;
  std::vector<std::string> names_;
};

std::string OutputOf(const std::vector<std::string>& argv) { return RunCommand(argv).output; }

// The end of a log; nothing where there is none, or it cannot be read.
std::string TailOf(const std::string& path) {
  constexpr std::streamoff kTailBytes = 1 << 20;
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) {
    return "";
  }
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - kTailBytes));
  return {std::istreambuf_iterator<char>(in), {}};
}

// The same question to everybody, each answer in a file of its own; what went wrong, too.
template <typename Render>
void AddAnswers(Asker* asker, const ops::AdminRequest& request, const std::string& name,
                Bundle* bundle, Render render) {
  const auto answers = AskEveryNode(asker, request);
  if (!answers.ok()) {
    bundle->Add(name + ".error", answers.error().message());
    return;
  }
  for (const NodeAnswer& answer : *answers) {
    const std::string file = name + (answer.node == 0 ? "" : "-node" + std::to_string(answer.node));
    if (answer.response.ok()) {
      render(*answer.response, file);
    } else {
      bundle->Add(file + ".error", answer.response.error().message());
    }
  }
}

void AddWhatDaemonsSay(Asker* asker, Bundle* bundle) {
  ops::AdminRequest request;
  request.mutable_status();
  if (const auto status = asker->Ask(request); status.ok()) {
    bundle->Add("status.json", ToJson(status->status()));
    bundle->Add("status.txt", ToText(status->status()));
  } else {
    bundle->Add("status.error", status.error().message());
  }
  request.mutable_ring();
  if (const auto ring = asker->Ask(request); ring.ok()) {
    const auto layout = ring::DecodeLayout(ring->ring().layout());
    bundle->Add("ring.json", layout.ok() ? LayoutJson(*layout) : json(layout.error().message()));
  }
  request.mutable_metrics();
  AddAnswers(asker, request, "metrics", bundle, [&](const auto& answer, const std::string& file) {
    bundle->Add(file + ".txt", ops::PrometheusText(answer.metrics()));
  });
  request.mutable_engine_stats();
  AddAnswers(asker, request, "engine", bundle, [&](const auto& answer, const std::string& file) {
    bundle->Add(file + ".json", ToJson(answer.engine_stats().stats()));
  });
  request.mutable_config();
  AddAnswers(asker, request, "config", bundle, [&](const auto& answer, const std::string& file) {
    json options = json::object();
    for (const auto& option : answer.config().options()) {
      options[option.name()] = option.value();
    }
    bundle->Add(file + ".json", options);
  });
}

}  // namespace

Result<int> SupportBundleCommand(const AdminFlags& flags, const std::string& file) {
  if (access(file.c_str(), F_OK) == 0) {
    return Status::AlreadyExists(file + " is there already");
  }
  const TemporaryDirectory directory;
  if (directory.path().empty()) {
    return ErrnoStatus("cannot make a directory in /tmp", errno);
  }
  Bundle bundle(directory.path());
  bundle.Add("about.txt", std::string("kvfs-admin ") + kVersion + "\n" + OutputOf({"uname", "-a"}) +
                              OutputOf({"date", "-u"}));
  const auto asker = Asker::Open(flags);
  if (asker.ok()) {
    AddWhatDaemonsSay(asker->get(), &bundle);
  } else {
    bundle.Add("daemon.error", asker.error().message());
  }
  if (flags.peer.empty()) {
    if (const auto data = LocateStore(flags.store); data.ok()) {
      bundle.Add("kvfs.log", TailOf(*data + "/kvfs.log"));
      bundle.Add("files.txt", OutputOf({"ls", "-ln", "--time-style=full-iso", *data}));
      bundle.Add("space.txt", OutputOf({"df", "-PT", *data}));
    }
  }
  bundle.Add("memory.txt", TailOf("/proc/meminfo"));
  KVFS_ASSIGN_OR_RETURN(const std::string target, CanonicalPath(file));
  const mode_t before = umask(0077);
  const Outcome packed = RunCommand({"tar", "-C", directory.path(), "-czf", target, "."});
  umask(before);
  if (packed.exit_code != 0) {
    return Status::IoError("tar: " + packed.output);
  }
  if (flags.json) {
    PrintJson({{"bundle", target}, {"files", bundle.names()}});
  } else {
    std::printf("%s: %zu files; look through them before you give them away\n", target.c_str(),
                bundle.names().size());
  }
  return kExitOk;
}

}  // namespace kvfs::tools
