// ConflictResolver: writes down what conflict.h says, after the two sides of a broken
// network have met: one version per item, the others as conflict copies beside it,
// names and counts that agree. doc/conflicts.md has the rules.
//
// Every step is one commit that asserts the versions it has read, and what it writes is a
// function of them: several mounts at it at once, or a mount that dies and does it again, end
// with one result. Owned by the Vfs, borrows client and contents; no state, so thread-safe.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "fs/meta/change_set.h"
#include "fs/meta/conflict.h"
#include "fs/meta/inode_store.h"
#include "fs/meta/namespace.h"
#include "fs/meta/types.h"
#include "kvcore/base/task.h"
#include "kvcore/client/client.h"
#include "kvcore/env/env.h"

namespace kvfs::fs {

// What the resolver needs of the layer that knows chunks. Thread-safe.
class ContentKeeper {
 public:
  virtual ~ContentKeeper() = default;

  // References of `copy` to all that `content` (its record's) consists of, in commits of their own.
  // What is missing in the store is left out: reading it will fail, as it did before.
  virtual Task<Errno> AddReferences(InodeRef copy, pb::Inode content) = 0;
  // References of `original` to what only `lost` consists of, and `kept` does not, to be dropped.
  virtual Task<FsResult<std::vector<client::ChunkDrop>>> Surplus(InodeRef original, pb::Inode lost,
                                                                 pb::Inode kept) = 0;
};

class ConflictResolver final : public ConflictHandler {
 public:
  // `contents`: null where no file has chunks.
  ConflictResolver(client::Client* client, env::Env env, ContentKeeper* contents);

  Task<Errno> ResolveInode(InodeRef ref) override;
  Task<Errno> ResolveEntry(Ino directory, Bytes ck) override;
  Task<FsResult<InodeRef>> CopyOf(InodeRef original, LostContent lost) override;

  // Items of one directory's pk. False: something is to be looked at again later.
  using Hints = std::vector<pb::SettleWork::Hint>;
  Task<FsResult<bool>> ResolveItems(Ino home, std::vector<Bytes> cks, Hints hints = {});

  // A line of the work index, if it is one of ours. False: it is not, or is left for later.
  Task<FsResult<bool>> RunLine(client::WorkItem line);

 private:
  // A place where an inode has, or might have, a name.
  struct Place {
    pb::Link link;
    VersionStamp stamp;  // of the version that says so
    Bytes ck;
    std::optional<client::Item> entry;
    bool is_here = false;  // the entry leads to the inode

    bool operator==(const Place& other) const {
      return link.parent() == other.link.parent() && link.name() == other.link.name();
    }
  };
  // Everything of one file but its blocks.
  struct FileItems {
    std::optional<client::Item> record, content;
    std::vector<client::Item> links, xattrs;
  };
  struct Pass;  // of ResolveItems

  int64_t NowMillis() const;
  Bytes EntryKey(ByteView name) const;
  Task<FsResult<std::vector<client::Item>>> ScanAll(Ino home, Bytes prefix);
  Task<FsResult<std::optional<client::Item>>> Get(Ino home, Bytes ck);

  // ---- entries
  Task<FsResult<bool>> TryEntry(Ino directory, Bytes ck, std::vector<InodeRef>* involved);
  // Gives the loser of a name another one; false: its record is not there yet.
  Task<FsResult<bool>> MoveLoser(Ino directory, ByteView name, const DentryVersion* loser,
                                 Bytes new_name, Ino winner, ChangeSet* changes);
  Task<FsResult<Bytes>> FreeName(Ino directory, Bytes name, VersionStamp stamp, Ino ino);

  // ---- files (conflict_files.cc)
  Task<Errno> ResolveFile(InodeRef ref, std::vector<pb::Link> hints);
  Task<Errno> TryFile(InodeRef ref, const std::vector<pb::Link>* hints);
  Task<FsResult<FileItems>> ReadFile(InodeRef ref);
  Task<Errno> EraseStrays(InodeRef ref, const FileItems* items);
  Task<Errno> EraseHollow(InodeRef ref, const FileItems* items, const std::vector<Place>* places);
  Task<FsResult<std::vector<Place>>> FindPlaces(Ino ino, std::vector<Place> candidates);
  // Where a nameless inode gets its name: the first of `places` that can be had, else lost+found.
  Task<FsResult<Place>> ChoosePlace(InodeRef ref, std::vector<Place> places, VersionStamp stamp);
  // Puts the entry there, if it is not there as it should be. `touch`: also if it is.
  void PutEntry(InodeRef ref, uint32_t mode, const Place& place, bool touch, ChangeSet* changes);
  void PutLinks(InodeRef ref, const FileItems& items, std::vector<Place>* places, pb::Inode* record,
                ChangeSet* changes);
  void MergeXattrs(InodeRef ref, const FileItems& items, bool drop_capability, pb::Inode* record,
                   std::vector<std::pair<Bytes, Bytes>>* values, ChangeSet* changes);
  Task<Errno> TryCopyOf(InodeRef original, InodeRef copy, const LostContent* lost);
  Task<Errno> PutCopy(InodeRef original, const LostContent* lost, const MergedInode* merged,
                      const std::vector<std::pair<Bytes, Bytes>>* xattrs, const Place* beside,
                      pb::ConflictNote* note, ChangeSet* changes);

  // ---- directories (conflict_directories.cc)
  // `hints`: names it was found under.
  Task<Errno> ResolveDirectory(Ino ino, std::vector<pb::Link> hints);
  // `must_be`: also if nothing is in it.
  Task<Errno> TryDirectory(Ino ino, const std::vector<pb::Link>* hints, bool must_be, int depth);
  struct DirectoryItems;
  Task<Errno> ReadDirectory(Ino ino, DirectoryItems* items);
  Task<FsResult<Place>> PlaceDirectory(Ino ino, const DirectoryItems* items,
                                       const std::vector<pb::Link>* hints, VersionStamp stamp,
                                       int depth, std::vector<Place>* others);
  // The directory can take names: it is there, or was put back. ENOENT: nothing is left of it.
  Task<Errno> EnsureDirectory(Ino ino, int depth);
  // If `ino` below `parent` would lie below itself: which directory is to leave the ring.
  Task<FsResult<std::optional<Ino>>> FindRing(Ino ino, VersionStamp stamp, Ino parent);
  // Puts the directory into lost+found, out of a ring.
  Task<Errno> TakeOut(Ino ino);
  Task<Errno> CountSubdirectories(Ino ino);
  Task<FsResult<Ino>> LostAndFound();
  // Moves what is in `from` into `to`, and removes it.
  Task<Errno> Unite(Ino from, Ino to, int depth);
  Task<FsResult<bool>> UniteEntry(Ino from, Ino to, const client::Item* entry, int depth);

  // ---- lines
  // Has the inode looked at again: names of it at these places may come with other partition keys.
  void LookAgain(InodeRef ref, const std::vector<Place>& missing, ChangeSet* changes);
  Task<FsResult<bool>> RunMerged(client::WorkItem line);
  Task<FsResult<bool>> RunSettle(client::WorkItem line);
  Task<FsResult<bool>> RunUnite(client::WorkItem line);
  Task<FsResult<bool>> RunGrave(client::WorkItem line);

  client::Client* const client_;
  const env::Env env_;
  ContentKeeper* const contents_;
  Namespace names_;  // for ordinary operations; resolves nothing on the way
};

// Adds a version of `content` to the note, found under `ino` at `place`.
void Describe(const VersionStamp& stamp, const pb::Inode& content, Ino ino, const pb::Link& place,
              pb::ConflictNote* note);
// Puts what was decided into words for people: idempotent, by inode and versions.
void AddNote(pb::ConflictNote note, ChangeSet* changes);

}  // namespace kvfs::fs
