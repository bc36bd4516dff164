#include "kvcore/replication/keys.h"

#include <cassert>
#include <cstring>

#include "kvcore/base/coding.h"

namespace kvfs::replication {
namespace {

constexpr char kNodeLocalSpace = '\x00';
constexpr char kDataSpace = '\x01';
constexpr char kBranchSpace = '\x02';
constexpr char kReservedCkEnd = '\xff';
constexpr size_t kChunkPkBytes = 1 + sizeof(ChunkId);
constexpr char kChunkDataCk = 'd';
constexpr char kChunkRefCk = 'r';
constexpr size_t kOutcomeCkBytes = 2 + 8 + 8;
constexpr size_t kBranchOutcomeCkBytes = kOutcomeCkBytes + 8;
constexpr uint64_t kSignBit = uint64_t{1} << 63;  // flipped, signed numbers sort as unsigned

bool IsChunkPk(ByteView pk) { return pk.size() == kChunkPkBytes && pk[0] == kChunkPk; }
bool IsWorkPk(ByteView pk) { return pk.size() == 1 && pk[0] == kWorkPk; }

uint16_t LeadingBits(const Sha256Digest& digest) {
  return static_cast<uint16_t>(digest[0] << 8 | digest[1]);
}

Status Bad(const char* what) { return Status::Corruption(std::string("key: ") + what); }

}  // namespace

Status CheckUserPk(ByteView pk) {
  if (pk.empty() || pk.size() > kMaxPkBytes) {
    return Status::InvalidArgument("a partition key has 1 to 64 bytes");
  }
  if (IsChunkPk(pk) || IsWorkPk(pk)) {
    return Status::InvalidArgument("a partition key reserved by the store");
  }
  return Status::Ok();
}

Status CheckUserCk(ByteView ck) {
  if (ck.empty() || ck.size() > kMaxCkBytes) {
    return Status::InvalidArgument("a clustering key has 1 to 1024 bytes");
  }
  if (ck[0] == kStateCk || ck[0] == kReservedCkEnd) {
    return Status::InvalidArgument("a clustering key reserved by the store");
  }
  return Status::Ok();
}

uint16_t PlaceOf(ByteView pk) {
  assert(!IsWorkPk(pk));
  if (IsChunkPk(pk)) {
    return PlaceOf(ChunkIdOfPk(pk));
  }
  return LeadingBits(Sha256(pk));
}

uint16_t PlaceOf(const ChunkId& id) { return LeadingBits(id); }

std::pair<Bytes, Bytes> PartitionRange(uint32_t partition, uint32_t partition_bits) {
  Bytes begin(1, kDataSpace);
  Bytes end = begin;
  PutBigEndian16(&begin, FirstPlace(partition, partition_bits));
  if (partition + 1 < uint32_t{1} << partition_bits) {
    PutBigEndian16(&end, FirstPlace(partition + 1, partition_bits));
    return {std::move(begin), std::move(end)};
  }
  return {std::move(begin), PrefixEnd(end)};
}

namespace {

Bytes PrefixIn(char space, uint16_t place, ByteView pk) {
  assert(!pk.empty() && pk.size() <= kMaxPkBytes);
  Bytes key;
  key.reserve(4 + pk.size() + 32);  // most cks fit
  key.push_back(space);
  PutBigEndian16(&key, place);
  key.push_back(static_cast<char>(pk.size()));
  key.append(pk);
  return key;
}

}  // namespace

Bytes PkPrefix(uint16_t place, ByteView pk) { return PrefixIn(kDataSpace, place, pk); }

Bytes BranchPrefix(ByteView pk) { return PrefixIn(kBranchSpace, PlaceOf(pk), pk); }

std::pair<Bytes, Bytes> BranchRange() {
  const Bytes begin(1, kBranchSpace);
  return {begin, PrefixEnd(begin)};
}

Bytes NodeLocalKey(ByteView name) {
  Bytes key(1, kNodeLocalSpace);
  key.append(name);
  return key;
}

Bytes ChunkPrefix(const ChunkId& id) {
  Bytes key;
  key.reserve(4 + kChunkPkBytes + 26);
  key.push_back(kDataSpace);
  PutBigEndian16(&key, PlaceOf(id));
  key.push_back(static_cast<char>(kChunkPkBytes));
  key.push_back(kChunkPk);
  key.append(AsBytes(id));
  return key;
}

Bytes ChunkDataKey(const ChunkId& id) { return ChunkPrefix(id) + kChunkDataCk; }

Bytes ChunkRefKey(const ChunkId& id, const ChunkRef& ref) {
  Bytes key = ChunkPrefix(id);
  key.push_back(kChunkRefCk);
  PutBigEndian64(&key, ref.home);
  PutBigEndian64(&key, ref.ino);
  key.push_back(static_cast<char>(ref.level));
  PutBigEndian64(&key, ref.position);
  return key;
}

std::pair<Bytes, Bytes> ChunkRefRange(const ChunkId& id) {
  Bytes begin = ChunkPrefix(id);
  begin.push_back(kChunkRefCk);
  Bytes end = PrefixEnd(begin);
  return {std::move(begin), std::move(end)};
}

Bytes WorkPrefix(uint16_t place) { return PkPrefix(place, ByteView(&kWorkPk, 1)); }

Bytes WorkDuePrefix(uint16_t place, int64_t due_millis) {
  Bytes key = WorkPrefix(place);
  PutBigEndian64(&key, static_cast<uint64_t>(due_millis) ^ kSignBit);
  return key;
}

Bytes WorkItemKey(uint16_t place, const WorkKey& work) { return WorkPrefix(place) + WorkCk(work); }

Bytes WorkCk(const WorkKey& work) {
  Bytes ck;
  PutBigEndian64(&ck, static_cast<uint64_t>(work.due_millis) ^ kSignBit);
  ck.push_back(static_cast<char>(work.kind));
  ck.append(work.id);
  return ck;
}

Bytes OutcomeKey(ByteView pk, const OpId& id) { return PkPrefix(pk) + OutcomeCk(id); }

Bytes OutcomeCk(const OpId& id) {
  Bytes ck = kOutcomeCk;
  PutBigEndian64(&ck, id.session);
  PutBigEndian64(&ck, id.sequence);
  return ck;
}

Bytes BranchOutcomeCk(const OpId& id, uint64_t actor) {
  Bytes ck = OutcomeCk(id);
  PutBigEndian64(&ck, actor);
  return ck;
}

bool IsBranchOutcomeCk(ByteView ck) {
  return ck.starts_with(kOutcomeCk) && ck.size() == kBranchOutcomeCkBytes;
}

std::pair<OpId, uint64_t> DecodeBranchOutcomeCk(ByteView ck) {
  assert(IsBranchOutcomeCk(ck));
  ck.remove_prefix(sizeof(kOutcomeCk) - 1);
  OpId id;
  uint64_t actor = 0;
  GetBigEndian64(&ck, &id.session);
  GetBigEndian64(&ck, &id.sequence);
  GetBigEndian64(&ck, &actor);
  return {id, actor};
}

Status CheckBranchCk(ByteView ck) {
  if (IsBranchOutcomeCk(ck)) {
    return Status::Ok();
  }
  return ck.starts_with(kPkWorkCk) ? DecodePkWorkCk(ck).status() : CheckUserCk(ck);
}

Bytes ExpiredCk(uint64_t session) {
  Bytes ck = kExpiredCk;
  PutBigEndian64(&ck, session);
  return ck;
}

bool IsOutcomeCk(ByteView ck) { return ck.starts_with(kOutcomeCk) && ck.size() == kOutcomeCkBytes; }

Bytes PrefixEnd(ByteView prefix) {
  Bytes end(prefix);
  while (!end.empty() && end.back() == kReservedCkEnd) {
    end.pop_back();
  }
  if (!end.empty()) {
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  }
  return end;
}

namespace {

Result<ParsedKey> ParseBranchKey(ParsedKey parsed, bool check_place) {
  if (!CheckUserPk(parsed.pk).ok() || (check_place && PlaceOf(parsed.pk) != parsed.place)) {
    return Bad("no place for a branch");
  }
  if (parsed.ck == ByteView(&kStateCk, 1)) {
    parsed.kind = KeyKind::kBranchNote;
  } else if (!CheckBranchCk(parsed.ck).ok()) {
    return Bad("bad clustering key");
  } else {
    parsed.kind = IsBranchOutcomeCk(parsed.ck) ? KeyKind::kBranchOutcome : KeyKind::kBranchItem;
  }
  return parsed;
}

}  // namespace

Result<ParsedKey> ParseKey(ByteView key, bool check_place) {
  ParsedKey parsed;
  if (key.empty()) {
    return Bad("empty");
  }
  const char space = key[0];
  key.remove_prefix(1);
  if (space == kNodeLocalSpace) {
    parsed.kind = KeyKind::kNodeLocal;
    parsed.ck = key;
    return parsed;
  }
  if ((space != kDataSpace && space != kBranchSpace) || !GetBigEndian16(&key, &parsed.place) ||
      key.empty()) {
    return Bad("unknown keyspace");
  }
  const size_t pk_size = static_cast<unsigned char>(key[0]);
  key.remove_prefix(1);
  if (pk_size == 0 || pk_size > kMaxPkBytes || pk_size >= key.size()) {
    return Bad("bad partition key");
  }
  parsed.pk = key.substr(0, pk_size);
  parsed.ck = key.substr(pk_size);
  if (space == kBranchSpace) {
    return ParseBranchKey(parsed, check_place);
  }
  if (IsWorkPk(parsed.pk)) {
    parsed.kind = KeyKind::kWork;
    return parsed;
  }
  if (check_place && PlaceOf(parsed.pk) != parsed.place) {
    return Bad("not where its partition key belongs");
  }
  if (IsChunkPk(parsed.pk)) {
    if (parsed.ck.size() == 1 && parsed.ck[0] == kChunkDataCk) {
      parsed.kind = KeyKind::kChunkData;
    } else if (parsed.ck[0] == kChunkRefCk) {
      parsed.kind = KeyKind::kChunkRef;
    } else {
      return Bad("unknown item of a chunk");
    }
  } else if (parsed.ck[0] == kStateCk) {
    if (parsed.ck.size() != 1) {
      return Bad("unknown item of the store");
    }
    parsed.kind = KeyKind::kState;
  } else if (IsOutcomeCk(parsed.ck)) {
    parsed.kind = KeyKind::kOutcome;
  } else if (parsed.ck.starts_with(kExpiredCk) &&
             parsed.ck.size() == sizeof(kExpiredCk) - 1 + sizeof(uint64_t)) {
    parsed.kind = KeyKind::kExpired;
  } else if (parsed.ck.starts_with(kPkWorkCk)) {
    KVFS_RETURN_IF_ERROR(DecodePkWorkCk(parsed.ck).status());
    parsed.kind = KeyKind::kPkWork;
  } else if (parsed.ck == kMergedCk) {
    parsed.kind = KeyKind::kMerged;
  } else if (parsed.ck == kStrongCk) {
    parsed.kind = KeyKind::kStrong;
  } else if (!CheckUserCk(parsed.ck).ok()) {
    return Bad("bad clustering key");
  }
  return parsed;
}

Result<WorkKey> DecodeWorkCk(ByteView ck) {
  WorkKey work;
  uint64_t due = 0;
  if (!GetBigEndian64(&ck, &due) || ck.size() < 2 || ck.size() > 1 + kMaxWorkIdBytes) {
    return Bad("bad line of the work index");
  }
  work.due_millis = static_cast<int64_t>(due ^ kSignBit);
  work.kind = static_cast<uint8_t>(ck[0]);
  work.id = Bytes(ck.substr(1));
  return work;
}

Result<WorkKey> DecodePkWorkCk(ByteView ck) {
  return ck.starts_with(kPkWorkCk) ? DecodeWorkCk(ck.substr(sizeof(kPkWorkCk) - 1))
                                   : Bad("bad line of the work index");
}

Result<ChunkRef> DecodeRefCk(ByteView ck) {
  ChunkRef ref;
  if (ck.empty() || ck[0] != kChunkRefCk) {
    return Bad("bad reference of a chunk");
  }
  ck.remove_prefix(1);
  if (!GetBigEndian64(&ck, &ref.home) || !GetBigEndian64(&ck, &ref.ino) || ck.empty()) {
    return Bad("bad reference of a chunk");
  }
  ref.level = static_cast<uint8_t>(ck[0]);
  ck.remove_prefix(1);
  if (!GetBigEndian64(&ck, &ref.position) || !ck.empty()) {
    return Bad("bad reference of a chunk");
  }
  return ref;
}

ChunkId ChunkIdOfPk(ByteView pk) {
  assert(IsChunkPk(pk));
  ChunkId id;
  std::memcpy(id.data(), pk.data() + 1, id.size());
  return id;
}

void EncodePkState(const PkState& state, Bytes* out) {
  PutVarint64(out, state.epoch.number);
  PutVarint64(out, state.epoch.node);
  PutVarint64(out, state.seq);
}

Result<PkState> DecodePkState(ByteView in) {
  PkState state;
  if (!GetVarint64(&in, &state.epoch.number) || !GetVarint64(&in, &state.epoch.node) ||
      !GetVarint64(&in, &state.seq) || !in.empty()) {
    return Status::Corruption("state of a partition key: malformed");
  }
  return state;
}

}  // namespace kvfs::replication
