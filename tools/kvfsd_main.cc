// kvfsd: one node of a cluster.
#include <signal.h>

#include <charconv>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "tools/common/command_line.h"
#include "tools/common/exit_code.h"
#include "tools/common/log.h"
#include "tools/common/self_description.h"
#include "tools/common/size.h"
#include "tools/common/version.h"
#include "tools/kvfsd/config_file.h"
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

All nodes are given the same members, cluster and replicas. After its address a member may say where
it stands: 1=HOST:PORT/zone=rack-1/weight=2/datacentre=east.

A configuration file has the options as keys: data = "/srv/kvfs", node-id = 1, and for each member
[[members]] with node, address and perhaps zone, weight, datacentre. The command line wins.

Keys: `kvfs-admin keygen FILE` on each machine prints a public key. The list for --allow, the same
everywhere, has lines of "NUMBER KEY" for nodes and "client KEY" for who mounts or administrates.

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

// The options as they are given, by their names. Numbers and lists are read later.
struct Given {
  std::string data, node_id, members, join, listen, cluster, replicas, zone, datacentre, weight,
      memory, capacity, key, allow, http;
  bool insecure = false;
  std::string config;
  bool check_config = false;

  std::map<std::string, std::string*> Texts() {
    return {{"data", &data},         {"node-id", &node_id}, {"members", &members},
            {"join", &join},         {"listen", &listen},   {"cluster", &cluster},
            {"replicas", &replicas}, {"zone", &zone},       {"datacentre", &datacentre},
            {"weight", &weight},     {"memory", &memory},   {"capacity", &capacity},
            {"key", &key},           {"allow", &allow},     {"http", &http}};
  }
};

// What the file says and the command line does not.
Status TakeConfig(Given* given) {
  auto texts = given->Texts();
  std::vector<std::string> known = {"insecure"};
  for (const auto& [name, text] : texts) {
    known.push_back(name);
  }
  KVFS_ASSIGN_OR_RETURN(const Config config, LoadConfig(given->config, known));
  for (const auto& [name, value] : config) {
    if (name == "insecure") {
      if (value != "true" && value != "false") {
        return Status::InvalidArgument(given->config + ": 'insecure' is true or false");
      }
      given->insecure = given->insecure || value == "true";
    } else if (texts[name]->empty()) {
      *texts[name] = value;
    }
  }
  return Status::Ok();
}

template <typename Number>
Status ParseNumberFlag(const std::string& text, const char* name, Number* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return Status::InvalidArgument("'" + text + "' is not a number").Annotate(name);
  }
  return Status::Ok();
}

Result<NodeServiceOptions> ToOptions(Given given) {
  if (!given.config.empty()) {
    KVFS_RETURN_IF_ERROR(TakeConfig(&given));
  } else if (given.check_config) {
    return Status::InvalidArgument("--check-config needs --config FILE");
  }
  NodeServiceOptions options;
  if (given.data.empty() || given.node_id.empty() ||
      (given.members.empty() && given.join.empty())) {
    return Status::InvalidArgument(
        "--data, --node-id, and --members or --join are needed (or their keys in --config)");
  }
  options.data = given.data;
  KVFS_RETURN_IF_ERROR(ParseNumberFlag(given.node_id, "--node-id", &options.node));
  if (!given.members.empty()) {
    Result<std::vector<NodeAddress>> members = ParseMembers(given.members);
    if (!members.ok()) {
      return members.error().Annotate("--members");
    }
    options.members = std::move(*members);
  }
  if (!given.join.empty()) {
    Result<std::vector<NodeAddress>> join = ParsePeers(given.join);
    if (!join.ok()) {
      return join.error().Annotate("--join");
    }
    options.join = std::move(*join);
  }
  options.listen = given.listen;
  if (!given.cluster.empty()) {
    options.cluster = given.cluster;
  }
  if (!given.replicas.empty()) {
    KVFS_RETURN_IF_ERROR(ParseNumberFlag(given.replicas, "--replicas", &options.replicas));
  }
  options.zone = given.zone;
  options.datacentre = given.datacentre;
  if (!given.weight.empty()) {
    KVFS_RETURN_IF_ERROR(ParseNumberFlag(given.weight, "--weight", &options.weight.emplace()));
  }
  KVFS_RETURN_IF_ERROR(ParseSizeFlag(given.memory, "--memory", &options.memory_bytes));
  KVFS_RETURN_IF_ERROR(ParseSizeFlag(given.capacity, "--capacity", &options.capacity_bytes));
  options.key_file = given.key;
  options.allow_file = given.allow;
  options.insecure = given.insecure;
  options.http = given.http;
  KVFS_RETURN_IF_ERROR(CheckNodeServiceOptions(options));
  return options;
}

Status Serve(const NodeServiceOptions& options) {
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
  Given given;
  app.add_option("--config", given.config, "A file of options (TOML); the command line wins");
  app.add_flag("--check-config", given.check_config, "Check all options, and do nothing else");
  app.add_option("--data", given.data, "The data directory of this node (made if need be)");
  app.add_option("--node-id", given.node_id,
                 "Which node this is; a number from 1, never given twice");
  app.add_option("--members", given.members,
                 "All nodes of the cluster: NODE=HOST:PORT,NODE=HOST:PORT,...");
  app.add_option("--join", given.join,
                 "Or: some nodes of a cluster that this one is to join: HOST:PORT,...");
  app.add_option("--listen", given.listen,
                 "HOST:PORT to listen on (this node's address among the members)");
  app.add_option("--cluster", given.cluster,
                 "Name of the cluster; others are not heard, their data refused (kvfs)");
  app.add_option("--replicas", given.replicas,
                 "How many nodes keep everything, in each datacentre (3)");
  app.add_option("--zone", given.zone, "What this node fails together with");
  app.add_option("--datacentre", given.datacentre, "The site it stands at");
  app.add_option("--weight", given.weight, "Its share of the partitions (1)");
  app.add_option("--memory", given.memory, "Bound on caches and buffers (256M)");
  app.add_option("--capacity", given.capacity,
                 "Bound on the size of the data directory (the disk's)");
  app.add_option("--key", given.key, "File of this node's key pair: everything is encrypted");
  app.add_option("--allow", given.allow, "File of the public keys that are let in");
  app.add_option("--http", given.http,
                 "HOST:PORT for /metrics, /healthz, /readyz and the web page (nowhere)");
  app.add_flag("--insecure", given.insecure,
               "Listen where other machines can reach it although nothing is authenticated");
  if (DescribeItself(app, {8, kVersion, "kvfs(1), kvfs-admin(8)"}, argc, argv)) {
    return kExitOk;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitFailed;
  }
  const Result<NodeServiceOptions> options = ToOptions(given);
  if (!options.ok()) {
    return Fail(options.error());
  }
  if (given.check_config) {
    std::printf("%s: ok\n", given.config.c_str());
    return kExitOk;
  }
  const Status status = Serve(*options);
  return status.ok() ? kExitOk : Fail(status);
}

}  // namespace
}  // namespace kvfs::tools

int main(int argc, char** argv) { return kvfs::tools::Main(argc, argv); }
