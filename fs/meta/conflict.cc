#include "fs/meta/conflict.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <map>
#include <tuple>

#include "fs/meta/inode_store.h"
#include "fs/meta/posix.h"
#include "kvcore/base/coding.h"
#include "kvcore/base/hash.h"

namespace kvfs::fs {
namespace {

uint64_t HashOf(ByteView bytes) { return DecodeFixed64(AsBytes(Sha256(bytes)).data()); }

// The canonical form of where a record's content is. (Protocol Buffers promise none of their own,
// but the bytes compared and hashed here are only ever made by one version of this function.)
Bytes ContentKey(const pb::Inode& record) {
  const pb::Content& content = record.content();
  Bytes key;
  PutBigEndian64(&key, record.size());
  key.push_back(content.is_chunked() ? 1 : 0);
  PutBigEndian64(&key, content.overlay());
  PutBigEndian64(&key, content.untrimmed_chunks());
  PutBigEndian64(&key, content.tree_depth());
  key.append(content.tree_root());
  for (const std::string& chunk : content.chunks()) {
    PutBigEndian64(&key, chunk.size());
    key.append(chunk);
  }
  return key;
}

bool Matches(const ContentVersion& content, const pb::Inode& record) {
  return record.content().is_chunked() ? content.value == ContentMark(record)
                                       : content.value.size() == record.size();
}

bool IsDeleted(const pb::Inode& record) { return record.nlink() == 0; }

// One version of the content: a record that names it, with the inline bytes if it has some.
struct Candidate {
  VersionStamp stamp;
  const pb::Inode* record = nullptr;
  std::optional<Bytes> inline_content;

  bool IsSame(const Candidate& other) const {
    return ContentKey(*record) == ContentKey(*other.record) &&
           inline_content == other.inline_content;
  }
};

// The record that the transaction which wrote `content` left, or a later one of the same side.
const RecordVersion* RecordOf(const ContentVersion& content,
                              const std::vector<RecordVersion>& records) {
  const RecordVersion* best = nullptr;
  auto rank = [&](const RecordVersion& version) {
    const bool same_actor = version.stamp.dot.epoch == content.stamp.dot.epoch;
    return std::tuple(version.stamp.dot == content.stamp.dot,
                      Matches(content, version.record) && same_actor,
                      Matches(content, version.record), version.stamp);
  };
  for (const RecordVersion& version : records) {
    if (Matches(content, version.record) && (best == nullptr || rank(*best) < rank(version))) {
      best = &version;
    }
  }
  return best;
}

// The contents that there are, the winner first. Sides that did not write content have none of
// their own; nor has a side that deleted the file, where another one kept it.
std::vector<Candidate> CandidatesOf(const std::vector<RecordVersion>& records,
                                    const std::vector<ContentVersion>& contents, bool all_deleted) {
  std::vector<Candidate> found;
  for (const ContentVersion& content : contents) {
    if (const RecordVersion* version = RecordOf(content, records)) {
      Candidate candidate{.stamp = content.stamp, .record = &version->record};
      if (!version->record.content().is_chunked()) {
        candidate.inline_content = content.value;
      }
      found.push_back(std::move(candidate));
    }
  }
  if (found.empty()) {  // never marked: the records must do
    for (const RecordVersion& version : records) {
      found.push_back({.stamp = version.stamp, .record = &version.record});
    }
  }
  const auto is_wanted = [&](const Candidate& candidate) {
    return all_deleted || !IsDeleted(*candidate.record);
  };
  if (std::any_of(found.begin(), found.end(), is_wanted)) {
    std::erase_if(found, [&](const Candidate& candidate) { return !is_wanted(candidate); });
  }
  std::sort(found.begin(), found.end(),
            [](const Candidate& a, const Candidate& b) { return b.stamp < a.stamp; });
  return found;
}

// 20260131T235959Z. (The civil date of a count of days is H. Hinnant's algorithm; libc's would ask
// for the time zone.)
std::string UtcText(client::HybridTime time) {
  constexpr int64_t kDaySeconds = 86'400;
  const int64_t seconds = client::MillisOf(time) / 1000;
  const int64_t days = seconds / kDaySeconds + 719'468;  // since 0000-03-01
  const int64_t era = days / 146'097;
  const int64_t day_of_era = days % 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t from_march = (5 * day_of_year + 2) / 153;
  const int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
  const int64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  const int64_t day = day_of_year - (153 * from_march + 2) / 5 + 1;
  const int64_t in_day = seconds % kDaySeconds;
  char text[40];
  std::snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02dZ", static_cast<int>(year),
                static_cast<int>(month), static_cast<int>(day), static_cast<int>(in_day / 3600),
                static_cast<int>(in_day / 60 % 60), static_cast<int>(in_day % 60));
  return text;
}

bool SameOwner(const pb::Inode& a, const pb::Inode& b) {
  return a.mode() == b.mode() && a.uid() == b.uid() && a.gid() == b.gid();
}

}  // namespace

Bytes ContentMark(const pb::Inode& record) {
  if (!record.content().is_chunked()) {
    return {};
  }
  constexpr size_t kMarkBytes = 16;
  return Bytes(AsBytes(Sha256(ContentKey(record))).substr(0, kMarkBytes));
}

MergedInode MergeInode(std::vector<RecordVersion> records, std::vector<ContentVersion> contents) {
  assert(!records.empty());
  std::sort(records.begin(), records.end(),
            [](const RecordVersion& a, const RecordVersion& b) { return b.stamp < a.stamp; });
  MergedInode merged;
  merged.is_deleted = std::all_of(records.begin(), records.end(), [](const RecordVersion& version) {
    return IsDeleted(version.record);
  });
  // What is not named below is the latest living side's.
  const auto winner = std::find_if(records.begin(), records.end(), [&](const RecordVersion& v) {
    return merged.is_deleted || !IsDeleted(v.record);
  });
  pb::Inode& record = merged.record;
  record = winner->record;
  const RecordVersion* owner = &records.front();
  for (const RecordVersion& version : records) {
    const pb::Inode& other = version.record;
    merged.was_deleted |= IsDeleted(other);
    JoinTime(record.mutable_atime(), other.atime());
    JoinTime(record.mutable_mtime(), other.mtime());
    JoinTime(record.mutable_ctime(), other.ctime());
    record.set_gc_gen(std::max(record.gc_gen(), other.gc_gen()));
    record.set_content_conflicts(std::max(record.content_conflicts(), other.content_conflicts()));
    if (other.mode_epoch() > record.mode_epoch()) {  // only a majority has set it
      record.set_mode_epoch(other.mode_epoch());
      record.set_consistency(other.consistency());
    }
    if (merged.is_deleted) {
      record.set_orphan_due_millis(std::max(record.orphan_due_millis(), other.orphan_due_millis()));
    }
    if (other.owner_set_at() > owner->record.owner_set_at()) {
      owner = &version;
    }
    merged.owner_conflict |= !SameOwner(other, records.front().record);
  }
  uint32_t mode = owner->record.mode();
  if (merged.owner_conflict && !S_ISDIR(mode)) {
    mode &= ~uint32_t{S_ISUID | S_ISGID};
  }
  record.set_mode(mode);
  record.set_uid(owner->record.uid());
  record.set_gid(owner->record.gid());
  record.set_owner_set_at(owner->record.owner_set_at());
  if (S_ISDIR(mode)) {
    return merged;
  }

  const std::vector<Candidate> candidates = CandidatesOf(records, contents, merged.is_deleted);
  const Candidate& best = candidates.front();
  record.set_size(best.record->size());
  record.set_allocated_bytes(best.record->allocated_bytes());
  if (best.record->has_content()) {
    *record.mutable_content() = best.record->content();
  } else {
    record.clear_content();
  }
  merged.content_stamp = best.stamp;
  merged.inline_content = best.inline_content;
  if (!merged.inline_content.has_value() && !contents.empty() && record.content().is_chunked()) {
    merged.inline_content = ContentMark(record);
  }
  bool is_conflict = false;
  for (size_t i = 1; i < candidates.size() && !merged.is_deleted; ++i) {
    const Candidate& other = candidates[i];
    const bool is_known =
        std::any_of(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(i),
                    [&](const Candidate& earlier) { return earlier.IsSame(other); });
    is_conflict |= !is_known;
    if (!is_known && other.record->size() > 0) {
      merged.lost.push_back({.stamp = other.stamp,
                             .record = *other.record,
                             .inline_content = other.inline_content.value_or(Bytes())});
    }
  }
  if (is_conflict) {  // whoever goes on writing one of the versions finds out
    record.set_content_conflicts(record.content_conflicts() + 1);
  }
  return merged;
}

MergedDentry MergeDentry(std::vector<DentryVersion> versions) {
  assert(!versions.empty());
  std::map<Ino, DentryVersion> latest;
  for (DentryVersion& version : versions) {
    auto [it, is_new] = latest.try_emplace(version.dentry.ino(), version);
    if (!is_new && it->second.stamp < version.stamp) {
      it->second = std::move(version);
    }
  }
  const auto is_directory = [](const DentryVersion& v) {
    return v.dentry.ino() == v.dentry.home();
  };
  auto winner = latest.begin();
  for (auto it = std::next(winner); it != latest.end(); ++it) {
    const bool wins = is_directory(it->second) ? !is_directory(winner->second)
                                               : !is_directory(winner->second) &&
                                                     winner->second.stamp < it->second.stamp;
    if (wins) {
      winner = it;
    }
  }
  MergedDentry merged;
  merged.winner = std::move(winner->second);
  latest.erase(winner);
  for (auto& [ino, version] : latest) {
    merged.losers.push_back(std::move(version));
  }
  return merged;
}

Bytes ConflictName(ByteView name, const VersionStamp& stamp) {
  Bytes stem(name);
  Bytes extension;
  const size_t dot = name.rfind('.');
  constexpr size_t kLongestExtension = 32;
  if (dot != ByteView::npos && dot != 0 && name.size() - dot <= kLongestExtension) {
    stem = Bytes(name.substr(0, dot));
    extension = Bytes(name.substr(dot));
  }
  Bytes dot_bytes;
  PutFixed64(&dot_bytes, stamp.dot.epoch);
  PutFixed64(&dot_bytes, stamp.dot.counter);
  char mark[80];
  std::snprintf(mark, sizeof mark, ".conflict-%08x-%s-%08x", static_cast<unsigned>(stamp.dot.epoch),
                UtcText(stamp.time).c_str(), static_cast<unsigned>(HashOf(dot_bytes)));
  const size_t room =
      kMaxNameBytes - std::min<size_t>(kMaxNameBytes, Bytes(mark).size()) - extension.size();
  if (stem.size() > room) {
    size_t cut = room;
    while (cut > 0 && (static_cast<unsigned char>(stem[cut]) & 0xc0) == 0x80) {
      --cut;  // not inside a character of UTF-8
    }
    stem.resize(cut);
  }
  return stem + mark + extension;
}

Ino CopyIno(Ino ino, const client::Dot& dot) {
  Bytes bytes;
  PutFixed64(&bytes, ino);
  PutFixed64(&bytes, dot.epoch);
  PutFixed64(&bytes, dot.counter);
  return kCopyInoBit | (HashOf(bytes) & (kCopyInoBit - 1));
}

uint64_t DerivedLinkId(Ino ino, Ino parent, ByteView name) {
  Bytes bytes;
  PutFixed64(&bytes, ino);
  PutFixed64(&bytes, parent);
  bytes.append(name);
  return HashOf(bytes) | 1;
}

}  // namespace kvfs::fs
