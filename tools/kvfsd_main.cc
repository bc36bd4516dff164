// kvfsd: one node of a cluster.
#include <signal.h>

#include <cstdio>
#include <string>

#include "tools/common/command_line.h"
#include "tools/common/exit_code.h"
#include "tools/common/log.h"
#include "tools/common/size.h"
#include "tools/common/version.h"
#include "tools/kvfsd/node_service.h"

namespace kvfs::tools {
namespace {

constexpr char kFooter[] =
    R"(Example, three nodes on one machine (each command in a terminal of its own):
  M=1=127.0.0.1:7101,2=127.0.0.1:7102,3=127.0.0.1:7103
  kvfsd --node-id 1 --members $M --data /srv/kvfs/1
  kvfsd --node-id 2 --members $M --data /srv/kvfs/2
  kvfsd --node-id 3 --members $M --data /srv/kvfs/3
  kvfs mount --peers 127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103 ~/kvfs

All nodes are given the same members, cluster and replicas, and these do not change.
Stays in the foreground; says on standard output when it takes requests; logs to standard
error. SIGTERM or Ctrl-C: takes no more requests, ends what runs, writes everything back.
Exit codes: 0 stopped, 1 could not start or stop cleanly (the reason is on standard error).)";

int Fail(const Status& status) {
  std::fprintf(stderr, "kvfsd: %s\n", status.message().c_str());
  return kExitFailed;
}

Status ParseSizeFlag(const std::string& text, const char* name, uint64_t* value) {
  if (text.empty()) {
    return Status::Ok();
  }
  const Result<uint64_t> size = ParseSize(text);
  if (!size.ok()) {
    return size.error().Annotate(name);
  }
  *value = *size;
  return Status::Ok();
}

Status Serve(NodeServiceOptions options, const std::string& members, const std::string& memory,
             const std::string& capacity) {
  Result<std::vector<NodeAddress>> parsed = ParseMembers(members);
  if (!parsed.ok()) {
    return parsed.error().Annotate("--members");
  }
  options.members = std::move(*parsed);
  KVFS_RETURN_IF_ERROR(ParseSizeFlag(memory, "--memory", &options.memory_bytes));
  KVFS_RETURN_IF_ERROR(ParseSizeFlag(capacity, "--capacity", &options.capacity_bytes));
  InstallCrashTrace();
  LogToStderr();
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);  // before there are other threads
  KVFS_ASSIGN_OR_RETURN(const auto service, NodeService::Start(options));
  std::printf("kvfsd: node %llu of cluster %s is ready on %s\n",
              static_cast<unsigned long long>(options.node), options.cluster.c_str(),
              service->listen_address().c_str());
  std::fflush(stdout);
  KVFS_RETURN_IF_ERROR(service->Run());
  std::printf("kvfsd: stopped\n");
  return Status::Ok();
}

int Main(int argc, char** argv) {
  CLI::App app("kvfsd: one node of a cluster of kvfs", "kvfsd");
  app.set_version_flag("--version", "kvfsd " + std::string(kVersion));
  app.footer(kFooter);
  NodeServiceOptions options;
  std::string members;
  std::string memory;
  std::string capacity;
  app.add_option("--data", options.data, "The data directory of this node (made if need be)")
      ->required();
  app.add_option("--node-id", options.node, "Which of the members this is")->required();
  app.add_option("--members", members, "All nodes: NODE=HOST:PORT,NODE=HOST:PORT,...")->required();
  app.add_option("--listen", options.listen,
                 "HOST:PORT to listen on (this node's address among the members)");
  app.add_option("--cluster", options.cluster,
                 "Name of the cluster; others are not heard, their data refused (kvfs)");
  app.add_option("--replicas", options.replicas, "How many nodes keep everything (3)");
  app.add_option("--memory", memory, "Bound on caches and buffers (256M)");
  app.add_option("--capacity", capacity, "Bound on the size of the data directory (the disk's)");
  app.add_flag("--insecure", options.insecure,
               "Listen where other machines can reach it although nothing is authenticated");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitFailed;
  }
  const Status status = Serve(std::move(options), members, memory, capacity);
  return status.ok() ? kExitOk : Fail(status);
}

}  // namespace
}  // namespace kvfs::tools

int main(int argc, char** argv) { return kvfs::tools::Main(argc, argv); }
