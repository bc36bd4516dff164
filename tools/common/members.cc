#include "tools/common/members.h"

#include <algorithm>
#include <charconv>

#include "kvcore/base/hash.h"

namespace kvfs::tools {
namespace {

constexpr size_t kClusterIdBytes = 16;
constexpr size_t kMaxClusterName = 64;

std::vector<std::string_view> Split(std::string_view list) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t comma = list.find(',');
    words.push_back(list.substr(0, comma));
    if (comma == std::string_view::npos) {
      return words;
    }
    list.remove_prefix(comma + 1);
  }
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

Status Wrong(std::string_view word, const std::string& why) {
  return Status::InvalidArgument("'" + std::string(word) + "' " + why);
}

// One of "zone=a", "datacentre=d", "weight=2".
Status ParseAttribute(std::string_view text, NodeAddress* member) {
  const size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
  if (name == "zone" || name == "datacentre") {
    KVFS_RETURN_IF_ERROR(CheckPlaceName(value));
    (name == "zone" ? member->zone : member->datacentre) = value;
    return Status::Ok();
  }
  if (name == "weight") {
    if (!ParseNumber(value, &member->weight) || member->weight > kMaxNodeWeight) {
      return Wrong(text, "is not a weight between 0 and 1,000,000");
    }
    return Status::Ok();
  }
  return Wrong(text, "is none of zone=NAME, datacentre=NAME, weight=NUMBER");
}

bool ParseNode(std::string_view text, uint64_t* node) {
  return ParseNumber(text, node) && *node != 0 && *node >> 63 == 0;
}

// "zone=a/weight=2", from the first slash of `rest` on.
Status ParseAttributes(std::string_view rest, NodeAddress* member) {
  for (size_t slash = rest.find('/'); slash != std::string_view::npos;) {
    rest.remove_prefix(slash + 1);
    slash = rest.find('/');
    KVFS_RETURN_IF_ERROR(ParseAttribute(rest.substr(0, slash), member));
  }
  return Status::Ok();
}

Result<NodeAddress> ParseMember(std::string_view word) {
  const size_t equals = word.find('=');
  NodeAddress member;
  if (equals == std::string_view::npos || !ParseNode(word.substr(0, equals), &member.node)) {
    return Wrong(word, "is not NODE=HOST:PORT, with a number from 1 for NODE");
  }
  const std::string_view rest = word.substr(equals + 1);
  member.address = rest.substr(0, rest.find('/'));
  KVFS_RETURN_IF_ERROR(CheckAddress(member.address));
  KVFS_RETURN_IF_ERROR(ParseAttributes(rest, &member));
  return member;
}

}  // namespace

Status CheckPlaceName(std::string_view name) {
  const bool letters = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
  if (name.empty() || name.size() > kMaxPlaceName || !letters) {
    return Wrong(name,
                 "is not the name of a zone or datacentre: 1 to 64 letters, digits, '.', "
                 "'-' or '_'");
  }
  return Status::Ok();
}

Status CheckAddress(std::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == std::string_view::npos || colon == 0 ||
      !ParseNumber(address.substr(colon + 1), &port) || port < 1 || port > 65535 ||
      (address[0] != '[' && address.find(':') != colon)) {
    return Status::InvalidArgument("'" + std::string(address) +
                                   "' is not HOST:PORT (an IPv6 host in brackets)");
  }
  return Status::Ok();
}

Result<std::vector<NodeAddress>> ParseMembers(std::string_view list) {
  std::vector<NodeAddress> members;
  for (const std::string_view word : Split(list)) {
    KVFS_ASSIGN_OR_RETURN(NodeAddress member, ParseMember(word));
    for (const NodeAddress& other : members) {
      if (other.node == member.node || other.address == member.address) {
        return Status::InvalidArgument("'" + std::string(word) +
                                       "': the node or its address is named twice");
      }
    }
    members.push_back(std::move(member));
  }
  if (members.size() > kMaxNodes) {
    return Status::InvalidArgument("a cluster has at most " + std::to_string(kMaxNodes) + " nodes");
  }
  return members;
}

Result<NodeAddress> ParseNodePlace(std::string_view word) {
  NodeAddress node;
  if (!ParseNode(word.substr(0, word.find('/')), &node.node)) {
    return Wrong(word, "is not NODE/zone=NAME/weight=NUMBER, with a number from 1 for NODE");
  }
  KVFS_RETURN_IF_ERROR(ParseAttributes(word, &node));
  return node;
}

Result<std::vector<NodeAddress>> ParsePeers(std::string_view list) {
  std::vector<NodeAddress> peers;
  for (const std::string_view word : Split(list)) {
    NodeAddress peer;
    if (word.find('=') == std::string_view::npos) {
      KVFS_RETURN_IF_ERROR(CheckAddress(word));
      peer.address = word;
    } else {
      KVFS_ASSIGN_OR_RETURN(peer, ParseMember(word));
    }
    if (std::find(peers.begin(), peers.end(), peer) == peers.end()) {
      peers.push_back(std::move(peer));
    }
  }
  return peers;
}

Result<Bytes> ClusterIdOf(std::string_view name) {
  if (name.empty() || name.size() > kMaxClusterName) {
    return Status::InvalidArgument("the name of a cluster has 1 to 64 bytes");
  }
  const Sha256Digest digest = Sha256("kvfs cluster " + std::string(name));
  return Bytes(AsBytes(digest).substr(0, kClusterIdBytes));
}

}  // namespace kvfs::tools
