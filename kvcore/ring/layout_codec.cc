// The canonical encoding of a layout (doc/formats/layout.md): one layout has exactly one
// encoding, so its hash names it. The decoder refuses every other form.
#include <algorithm>
#include <bitset>

#include "kvcore/base/coding.h"
#include "kvcore/ring/layout.h"

namespace kvfs::ring {
namespace {

constexpr char kFormat = 1;

Status Bad(const char* what) { return Status::Corruption(std::string("layout: ") + what); }

// A varint in its shortest form, at most `max`.
bool GetNumber(ByteView* in, uint64_t max, uint64_t* value) {
  const size_t before = in->size();
  return GetVarint64(in, value) && *value <= max &&
         before - in->size() == static_cast<size_t>(VarintLength(*value));
}

bool GetName(ByteView* in, std::string* name) {
  uint64_t size = 0;
  if (!GetNumber(in, kMaxNameBytes, &size) || size > in->size()) {
    return false;
  }
  *name = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

size_t DatacentreIndex(const LayoutSpec& spec, const std::string& name) {
  return static_cast<size_t>(std::find_if(spec.datacentres.begin(), spec.datacentres.end(),
                                          [&](const Datacentre& d) { return d.name == name; }) -
                             spec.datacentres.begin());
}

Status DecodeDatacentres(ByteView* in, LayoutSpec* spec) {
  uint64_t count = 0;
  if (!GetNumber(in, kMaxDatacentres, &count)) {
    return Bad("bad number of datacentres");
  }
  for (uint64_t i = 0; i < count; ++i) {
    Datacentre datacentre;
    uint64_t factor = 0;
    if (!GetName(in, &datacentre.name) || !GetNumber(in, kMaxReplicationFactor, &factor)) {
      return Bad("bad datacentre");
    }
    if (i > 0 && spec->datacentres.back().name >= datacentre.name) {
      return Bad("datacentres out of order");
    }
    datacentre.replication_factor = static_cast<uint32_t>(factor);
    spec->datacentres.push_back(std::move(datacentre));
  }
  return Status::Ok();
}

Status DecodeMembers(ByteView* in, LayoutSpec* spec) {
  uint64_t count = 0;
  if (!GetNumber(in, kMaxMembers, &count)) {
    return Bad("bad number of members");
  }
  for (uint64_t i = 0; i < count; ++i) {
    Member member;
    uint64_t weight = 0;
    uint64_t datacentre = 0;
    if (!GetFixed64(in, &member.node) || !GetNumber(in, kMaxWeight, &weight) ||
        !GetNumber(in, spec->datacentres.size() - 1, &datacentre) || !GetName(in, &member.zone)) {
      return Bad("bad member");
    }
    if (i > 0 && spec->members.back().node >= member.node) {
      return Bad("members out of order");
    }
    member.weight = static_cast<uint32_t>(weight);
    member.datacentre = spec->datacentres[datacentre].name;
    spec->members.push_back(std::move(member));
  }
  return Status::Ok();
}

// Each partition is kept by distinct members with a weight, as many in each datacentre as can be.
Status DecodeReplicas(ByteView* in, const LayoutSpec& spec, std::vector<uint16_t>* replicas) {
  const size_t per_partition = ReplicaCount(spec);
  const size_t partitions = size_t{1} << spec.partition_bits;
  if (in->size() < partitions * per_partition) {  // a byte each, at least
    return Bad("cut off in the partitions");
  }
  std::vector<uint32_t> datacentre_of;
  std::vector<uint32_t> eligible(spec.datacentres.size());
  for (const Member& member : spec.members) {
    datacentre_of.push_back(static_cast<uint32_t>(DatacentreIndex(spec, member.datacentre)));
    eligible[datacentre_of.back()] += member.weight > 0 ? 1 : 0;
  }
  replicas->reserve(partitions * per_partition);
  std::vector<uint32_t> used(spec.datacentres.size());
  std::bitset<kMaxMembers> seen;
  for (size_t p = 0; p < partitions; ++p) {
    std::fill(used.begin(), used.end(), 0);
    const size_t first = replicas->size();
    for (size_t i = 0; i < per_partition; ++i) {
      uint64_t index = 0;
      if (!GetNumber(in, spec.members.size() - 1, &index) || seen[index] ||
          spec.members[index].weight == 0) {
        return Bad("bad replica");
      }
      const uint32_t datacentre = datacentre_of[index];
      if (++used[datacentre] >
          std::min(spec.datacentres[datacentre].replication_factor, eligible[datacentre])) {
        return Bad("too many replicas in one datacentre");
      }
      seen.set(index);
      replicas->push_back(static_cast<uint16_t>(index));
    }
    for (size_t i = first; i < replicas->size(); ++i) {
      seen.reset((*replicas)[i]);
    }
  }
  return Status::Ok();
}

}  // namespace

Bytes Encode(const Layout& layout) {
  const LayoutSpec& spec = layout.spec();
  Bytes out;
  out.push_back(kFormat);
  PutVarint64(&out, layout.id().number);
  PutVarint64(&out, spec.partition_bits);
  PutVarint64(&out, spec.datacentres.size());
  for (const Datacentre& datacentre : spec.datacentres) {
    PutLengthPrefixed(&out, datacentre.name);
    PutVarint64(&out, datacentre.replication_factor);
  }
  PutVarint64(&out, spec.members.size());
  for (const Member& member : spec.members) {
    PutFixed64(&out, member.node);
    PutVarint64(&out, member.weight);
    PutVarint64(&out, DatacentreIndex(spec, member.datacentre));
    PutLengthPrefixed(&out, member.zone);
  }
  for (uint32_t p = 0; p < layout.partition_count(); ++p) {
    for (const uint16_t index : layout.Replicas(p)) {
      PutVarint64(&out, index);
    }
  }
  return out;
}

Result<Layout> DecodeLayout(ByteView in) {
  if (in.empty() || in.front() != kFormat) {
    return Bad("unknown format");
  }
  in.remove_prefix(1);
  uint64_t number = 0;
  uint64_t bits = 0;
  if (!GetNumber(&in, UINT64_MAX, &number) || number == 0 ||
      !GetNumber(&in, kMaxPartitionBits, &bits)) {
    return Bad("bad head");
  }
  LayoutSpec spec;
  spec.partition_bits = static_cast<uint32_t>(bits);
  KVFS_RETURN_IF_ERROR(DecodeDatacentres(&in, &spec));
  if (spec.datacentres.empty()) {
    return Bad("no datacentre");
  }
  KVFS_RETURN_IF_ERROR(DecodeMembers(&in, &spec));
  if (const Status status = Validate(spec); !status.ok()) {
    return Status::Corruption(status.message());
  }
  std::vector<uint16_t> replicas;
  KVFS_RETURN_IF_ERROR(DecodeReplicas(&in, spec, &replicas));
  if (!in.empty()) {
    return Bad("bytes after the partitions");
  }
  return Layout(number, std::move(spec), std::move(replicas));
}

}  // namespace kvfs::ring
