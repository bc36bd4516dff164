#include "fs/vfs/lock_record.h"

#include <algorithm>
#include <utility>

#include "fs/meta/locks.pb.h"

namespace kvfs::fs {

Bytes EncodeLocks(const LockRecord& record) {
  pb::FileLocks proto;
  for (const auto& [session, state] : record.sessions) {
    pb::LockSession* const one = proto.add_sessions();
    one->set_session(session);
    one->set_renewals(state.renewals);
    one->set_lease_millis(state.lease_millis);
  }
  for (const FileLock& lock : record.locks.locks()) {
    pb::HeldLock* const one = proto.add_locks();
    one->set_session(lock.owner.session);
    one->set_owner(lock.owner.owner);
    one->set_whole_file(lock.owner.kind == LockKind::kFlock);
    one->set_exclusive(lock.exclusive);
    one->set_begin(lock.begin);
    one->set_last(lock.last);
    one->set_pid(lock.pid);
  }
  return proto.SerializeAsString();
}

Result<LockRecord> DecodeLocks(ByteView value) {
  pb::FileLocks proto;
  if (!proto.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return Status::Corruption("locks of a file: malformed");
  }
  LockRecord record;
  for (const pb::LockSession& one : proto.sessions()) {
    if (one.lease_millis() == 0 || one.lease_millis() > kMaxLeaseMillis) {
      return Status::Corruption("locks of a file: a lease that cannot be");
    }
    record.sessions[one.session()] = {one.renewals(), one.lease_millis()};
  }
  std::vector<FileLock> locks;
  for (const pb::HeldLock& one : proto.locks()) {
    FileLock lock;
    lock.owner.session = one.session();
    lock.owner.owner = one.owner();
    lock.owner.kind = one.whole_file() ? LockKind::kFlock : LockKind::kPosix;
    lock.exclusive = one.exclusive();
    lock.begin = one.begin();
    lock.last = one.last();
    lock.pid = one.pid();
    if (lock.begin > lock.last || lock.last > kLastByte ||
        !record.sessions.contains(lock.owner.session)) {
      return Status::Corruption("locks of a file: one that cannot be");
    }
    locks.push_back(lock);
  }
  record.locks = LockList(std::move(locks));
  return record;
}

Result<LockRecord> DecodeLocks(const client::Item& item) {
  LockRecord all;
  for (const client::Sibling& sibling : item.siblings) {
    if (sibling.tombstone) {
      continue;
    }
    KVFS_ASSIGN_OR_RETURN(const LockRecord one, DecodeLocks(sibling.value));
    for (const auto& [session, state] : one.sessions) {
      LockSession& joined = all.sessions[session];
      joined.renewals = std::max(joined.renewals, state.renewals);
      joined.lease_millis = std::max(joined.lease_millis, state.lease_millis);
    }
    all.locks.Add(one.locks);
  }
  return all;
}

}  // namespace kvfs::fs
