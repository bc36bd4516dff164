#include "fs/meta/keys.h"

#include <algorithm>

#include "kvcore/base/coding.h"

namespace kvfs::fs::keys {
namespace {

constexpr char kDirectoryPkTag = 'D';
constexpr char kConflictsPkTag = 'K';

Bytes Tagged(Tag tag) { return Bytes(1, static_cast<char>(tag)); }

Bytes Tagged(Tag tag, uint64_t number) {
  Bytes key = Tagged(tag);
  PutBigEndian64(&key, number);
  return key;
}

bool TakeTag(ByteView* in, Tag tag) {
  if (in->empty() || in->front() != static_cast<char>(tag)) {
    return false;
  }
  in->remove_prefix(1);
  return true;
}

}  // namespace

Bytes DirectoryPk(Ino home) {
  Bytes pk(1, kDirectoryPkTag);
  PutBigEndian64(&pk, home);
  return pk;
}

std::optional<Ino> HomeOfPk(ByteView pk) {
  if (pk.size() != 9 || pk.front() != kDirectoryPkTag) {
    return std::nullopt;
  }
  pk.remove_prefix(1);
  Ino home = 0;
  GetBigEndian64(&pk, &home);
  return home;
}

Bytes Self() { return Tagged(Tag::kSelf); }
Bytes Alive() { return Tagged(Tag::kAlive); }
Bytes Times() { return Tagged(Tag::kTimes); }
Bytes Grave() { return Tagged(Tag::kGrave); }

uint64_t NameHash(const SipHashKey& key, ByteView name) {
  uint64_t hash = SipHash24(key, name) >> 1;
  return hash < kFirstCookie ? hash + kFirstCookie : hash;
}

Bytes Dentry(uint64_t hash, ByteView name) {
  Bytes key = Tagged(Tag::kDentry, hash);
  key.append(name);
  return key;
}
Bytes DentryPrefix() { return Tagged(Tag::kDentry); }
Bytes DentryFrom(uint64_t hash) { return Tagged(Tag::kDentry, hash); }
Bytes DentryEnd() { return PrefixEnd(DentryPrefix()); }

std::optional<DentryParts> ParseDentry(ByteView ck) {
  DentryParts parts;
  if (!TakeTag(&ck, Tag::kDentry) || !GetBigEndian64(&ck, &parts.hash) || ck.empty()) {
    return std::nullopt;
  }
  parts.name = ck;
  return parts;
}

Bytes Inode(Ino ino) { return Tagged(Tag::kInode, ino); }
Bytes InodePrefix() { return Tagged(Tag::kInode); }

std::optional<Ino> ParseInode(ByteView ck) {
  Ino ino = 0;
  if (!TakeTag(&ck, Tag::kInode) || !GetBigEndian64(&ck, &ino) || !ck.empty()) {
    return std::nullopt;
  }
  return ino;
}

Bytes Record(InodeRef ref) { return ref.ino == ref.home ? Self() : Inode(ref.ino); }

client::ItemKey RecordItem(InodeRef ref) { return {DirectoryPk(ref.home), Record(ref)}; }

std::optional<Ino> ParseOwner(ByteView ck) {
  Ino ino = 0;
  ck.remove_prefix(std::min<size_t>(1, ck.size()));
  if (!GetBigEndian64(&ck, &ino)) {
    return std::nullopt;
  }
  return ino;
}

Bytes Inline(Ino ino) { return Tagged(Tag::kInline, ino); }

Bytes Lock(Ino ino) { return Tagged(Tag::kLock, ino); }

Bytes Link(Ino ino, uint64_t link_id) {
  Bytes key = Tagged(Tag::kLink, ino);
  PutBigEndian64(&key, link_id);
  return key;
}
Bytes LinkPrefix(Ino ino) { return Tagged(Tag::kLink, ino); }

Bytes Xattr(Ino ino, ByteView name) {
  Bytes key = Tagged(Tag::kXattr, ino);
  key.append(name);
  return key;
}
Bytes XattrPrefix(Ino ino) { return Tagged(Tag::kXattr, ino); }

std::optional<ByteView> ParseXattrName(ByteView ck) {
  uint64_t ino = 0;
  if (!TakeTag(&ck, Tag::kXattr) || !GetBigEndian64(&ck, &ino) || ck.empty()) {
    return std::nullopt;
  }
  return ck;
}

Bytes Block(Ino ino, uint64_t overlay, uint64_t block) {
  Bytes key = BlockPrefix(ino, overlay);
  PutBigEndian64(&key, block);
  return key;
}
Bytes BlockPrefix(Ino ino, uint64_t overlay) {
  Bytes key = BlockPrefix(ino);
  PutBigEndian64(&key, overlay);
  return key;
}
Bytes BlockPrefix(Ino ino) { return Tagged(Tag::kBlock, ino); }

std::optional<uint64_t> ParseBlock(ByteView ck) {
  uint64_t ino = 0;
  uint64_t overlay = 0;
  uint64_t block = 0;
  if (!TakeTag(&ck, Tag::kBlock) || !GetBigEndian64(&ck, &ino) || !GetBigEndian64(&ck, &overlay) ||
      !GetBigEndian64(&ck, &block) || !ck.empty()) {
    return std::nullopt;
  }
  return block;
}

Bytes Intent(const client::OpId& op) {
  Bytes key = Tagged(Tag::kIntent, op.session);
  PutBigEndian64(&key, op.sequence);
  return key;
}

Bytes Hold(Ino ino, uint64_t session) {
  Bytes key = Tagged(Tag::kHold, ino);
  PutBigEndian64(&key, session);
  return key;
}

Bytes PrefixEnd(ByteView prefix) {
  Bytes end(prefix);
  while (!end.empty()) {
    if (static_cast<unsigned char>(end.back()) != 0xff) {
      end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
      return end;
    }
    end.pop_back();
  }
  return end;  // empty: to the last
}

Bytes WorkId(InodeRef ref) {
  Bytes id;
  PutBigEndian64(&id, ref.home);
  PutBigEndian64(&id, ref.ino);
  return id;
}

std::optional<InodeRef> ParseWorkId(ByteView id) {
  InodeRef ref;
  if (!GetBigEndian64(&id, &ref.home) || !GetBigEndian64(&id, &ref.ino)) {
    return std::nullopt;
  }
  return ref;
}

client::WorkKey Work(WorkKind kind, InodeRef ref, int64_t due_millis) {
  return {.due_millis = due_millis, .kind = static_cast<uint8_t>(kind), .id = WorkId(ref)};
}

Bytes UniteId(Ino from, Ino to) {
  Bytes id;
  PutBigEndian64(&id, from);
  PutBigEndian64(&id, to);
  return id;
}

std::optional<std::pair<Ino, Ino>> ParseUniteId(ByteView id) {
  Ino from = 0;
  Ino to = 0;
  if (!GetBigEndian64(&id, &from) || !GetBigEndian64(&id, &to) || !id.empty()) {
    return std::nullopt;
  }
  return std::pair(from, to);
}

Bytes ConflictsPk() { return Bytes(1, kConflictsPkTag); }

Bytes ConflictNote(client::HybridTime time, uint64_t hash) {
  Bytes key = Tagged(Tag::kNote, time);
  PutBigEndian64(&key, hash);
  return key;
}

Bytes ConflictNotePrefix() { return Tagged(Tag::kNote); }

}  // namespace kvfs::fs::keys
