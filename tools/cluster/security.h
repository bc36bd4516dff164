// Security: the keys of a cluster: whose they are, who may speak. From two files: the own key pair,
// which nobody else can read, and the list of those that are let in, the same on every node.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "kvcore/base/status.h"
#include "transport/zmq_message_bus.h"

namespace kvfs::tools {

struct Security {
  std::shared_ptr<const transport::KeyPair> keys;  // null: nothing is authenticated
  std::map<transport::PublicKey, env::NodeId> allowed;
  std::map<env::NodeId, transport::PublicKey> nodes;  // the same, of nodes, by number
};

// Makes a key pair in a file that must not exist, with mode 0600. Its public key as text.
Result<std::string> MakeKeyFile(const std::string& path);
// kInvalidArgument: others can read it, or it is not as MakeKeyFile leaves it.
Result<transport::KeyPair> LoadKeyFile(const std::string& path);
// Lines of "NUMBER KEY" for nodes and "client KEY" for who mounts or administrates; what begins
// with '#' is a comment. kInvalidArgument naming the line.
Result<Security> ParseAllowList(std::string_view text);

// Both files or, where both names are empty, nothing. kInvalidArgument: only one is named, or they
// are not what they should be.
Result<Security> LoadSecurity(const std::string& key_file, const std::string& allow_file);

}  // namespace kvfs::tools
