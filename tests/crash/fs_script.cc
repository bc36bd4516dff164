#include "tests/crash/fs_script.h"

#include "fs/meta/posix.h"
#include "kvcore/base/hash.h"

namespace kvfs::fs::crash {
namespace {

constexpr Credentials kUser{.uid = 1000, .gid = 1000, .umask = 022};

// Half of it compressible, so that stored and raw sizes differ.
Bytes Fill(uint64_t seed, uint64_t size) {
  env::sim::SimRandom random(seed);
  Bytes bytes;
  bytes.reserve(size + 16);
  while (bytes.size() < size) {
    const uint64_t word = random.Next();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
    bytes.append(8, static_cast<char>('a' + word % 16));
  }
  bytes.resize(size);
  return bytes;
}

const char* Name(Step::Kind kind) {
  static constexpr const char* kNames[] = {
      "create", "write",   "append", "truncate", "punch", "copy",  "mkdir", "rmdir", "unlink",
      "link",   "symlink", "rename", "exchange", "chmod", "xattr", "fsync", "rest"};
  return kNames[static_cast<int>(kind)];
}

int Value(const Errno& error) { return error.value(); }
template <typename T>
int Value(const FsResult<T>& result) {
  return result.ok() ? 0 : result.error().value();
}

}  // namespace

std::string ToString(const Step& step) {
  std::string text = Name(step.kind);
  text += " " + step.path;
  if (!step.to.empty()) {
    text += " " + step.to;
  }
  return text + " @" + std::to_string(step.offset) + "+" + std::to_string(step.size);
}

FsResult<Ino> FsDriver::Resolve(const std::string& path) {
  Ino ino = kRootIno;
  for (size_t begin = 0; begin < path.size();) {
    size_t end = path.find('/', begin);
    end = end == std::string::npos ? path.size() : end;
    auto node = Run(vfs_->Lookup(ino, path.substr(begin, end - begin)));
    if (!node.ok()) {
      return node.error();
    }
    ino = node->attr.ino;
    begin = end + 1;
  }
  return ino;
}

FsResult<Ino> FsDriver::ResolveParent(const std::string& path, std::string* name) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    *name = path;
    return kRootIno;
  }
  *name = path.substr(slash + 1);
  return Resolve(path.substr(0, slash));
}

int FsDriver::Do(const Step& step) {
  if (step.kind == Step::Kind::kRest) {
    world_->RunFor(static_cast<int64_t>(step.size));
    return 0;
  }
  if (!step.to.empty()) {
    return DoTwoPaths(step);
  }
  std::string name;
  auto parent = ResolveParent(step.path, &name);
  if (!parent.ok()) {
    return parent.error().value();
  }
  switch (step.kind) {
    case Step::Kind::kCreate:
      return Value(Run(vfs_->MakeNode(*parent, name, S_IFREG | 0644, 0, kUser)));
    case Step::Kind::kMkdir:
      return Value(Run(vfs_->MakeDirectory(*parent, name, 0755, kUser)));
    case Step::Kind::kRmdir:
      return Value(Run(vfs_->RemoveDirectory(*parent, name)));
    case Step::Kind::kUnlink:
      return Value(Run(vfs_->Unlink(*parent, name)));
    default:
      break;
  }
  auto ino = Resolve(step.path);
  if (!ino.ok()) {
    return ino.error().value();
  }
  switch (step.kind) {
    case Step::Kind::kTruncate: {
      SetAttrRequest request{.set_size = true, .size = step.size};
      return Value(Run(vfs_->SetAttr(*ino, request, kUser)));
    }
    case Step::Kind::kChmod: {
      SetAttrRequest request{.set_mode = true, .mode = static_cast<uint32_t>(step.size)};
      return Value(Run(vfs_->SetAttr(*ino, request, kUser)));
    }
    case Step::Kind::kXattr:
      return Value(Run(vfs_->SetXattr(*ino, "user.test", Fill(step.fill, step.size), 0, false)));
    default:
      return WriteTo(step);
  }
}

int FsDriver::DoTwoPaths(const Step& step) {
  std::string name;
  std::string to_name;
  auto parent = ResolveParent(step.path, &name);
  if (!parent.ok()) {
    return parent.error().value();
  }
  if (step.kind == Step::Kind::kSymlink) {
    return Value(Run(vfs_->MakeSymlink(*parent, name, step.to, kUser)));
  }
  auto to_parent = ResolveParent(step.to, &to_name);
  if (!to_parent.ok()) {
    return to_parent.error().value();
  }
  auto ino = Resolve(step.path);
  if (!ino.ok()) {
    return ino.error().value();
  }
  switch (step.kind) {
    case Step::Kind::kLink:
      return Value(Run(vfs_->Link(*ino, *to_parent, to_name)));
    case Step::Kind::kRename:
      return Value(Run(vfs_->Rename(*parent, name, *to_parent, to_name, RenameMode::kReplace)));
    case Step::Kind::kExchange:
      return Value(Run(vfs_->Rename(*parent, name, *to_parent, to_name, RenameMode::kExchange)));
    case Step::Kind::kCopy: {
      auto to = Resolve(step.to);
      if (!to.ok()) {
        return to.error().value();
      }
      auto copied = Run(vfs_->CopyRange(*ino, 0, *to, 0, step.size));
      return Value(copied);
    }
    default:
      return EINVAL;
  }
}

int FsDriver::WriteTo(const Step& step) {
  auto ino = Resolve(step.path);
  if (!ino.ok()) {
    return ino.error().value();
  }
  const bool append = step.kind == Step::Kind::kAppend;
  auto open = Run(vfs_->Open(*ino, append ? O_WRONLY | O_APPEND : O_RDWR));
  if (!open.ok()) {
    return open.error().value();
  }
  int error = 0;
  switch (step.kind) {
    case Step::Kind::kPunch:
      error = Value(Run(vfs_->Fallocate(
          *ino, open->handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, step.offset, step.size)));
      break;
    case Step::Kind::kFsync:
      error = Value(Run(vfs_->Fsync(*ino, open->handle, false)));
      break;
    default:
      error = Value(Run(vfs_->Write(*ino, open->handle, step.offset, Fill(step.fill, step.size))));
      break;
  }
  const int flushed = Value(Run(vfs_->Flush(*ino, open->handle)));
  (void)Run(vfs_->Release(*ino, open->handle));
  return error != 0 ? error : flushed;
}

Tree FsDriver::ReadTree(int* error) {
  Tree tree;
  *error = ReadInto(kRootIno, "", &tree);
  return *error == 0 ? tree : Tree();
}

int FsDriver::ReadInto(Ino dir, const std::string& prefix, Tree* tree) {
  auto handle = Run(vfs_->OpenDirectory(dir));
  if (!handle.ok()) {
    return handle.error().value();
  }
  std::vector<std::pair<std::string, Attr>> entries;
  const Errno read =
      Run(vfs_->ReadDirectory(dir, *handle, 0, true, [&](const DirEntry& entry, const Attr* attr) {
        if (entry.name != "." && entry.name != "..") {
          entries.emplace_back(entry.name, *attr);
        }
        return true;
      }));
  (void)Run(vfs_->ReleaseDirectory(dir, *handle));
  if (!read.ok()) {
    return read.value();
  }
  for (const auto& [name, attr] : entries) {
    std::string text;
    if (const int error = Describe(attr.ino, attr, &text); error != 0) {
      return error;
    }
    (*tree)[prefix + name] = text;
    if (S_ISDIR(attr.mode)) {
      if (const int error = ReadInto(attr.ino, prefix + name + "/", tree); error != 0) {
        return error;
      }
    }
  }
  return 0;
}

int FsDriver::Describe(Ino ino, const Attr& attr, std::string* text) {
  *text = "mode " + std::to_string(attr.mode) + " links " + std::to_string(attr.nlink);
  if (S_ISLNK(attr.mode)) {
    auto target = Run(vfs_->ReadLink(ino));
    if (!target.ok()) {
      return target.error().value();
    }
    *text += " to " + *target;
  }
  auto xattr = Run(vfs_->GetXattr(ino, "user.test"));
  if (xattr.ok()) {
    *text += " xattr " + ToHex(AsBytes(Sha256(*xattr))).substr(0, 8);
  } else if (xattr.error() != Errno(ENODATA)) {
    return xattr.error().value();
  }
  if (!S_ISREG(attr.mode)) {
    return 0;
  }
  auto open = Run(vfs_->Open(ino, O_RDONLY));
  if (!open.ok()) {
    return open.error().value();
  }
  auto pieces = Run(vfs_->Read(ino, open->handle, 0, attr.size + 1));
  (void)Run(vfs_->Release(ino, open->handle));
  if (!pieces.ok()) {
    return pieces.error().value();
  }
  Bytes content;
  for (const ReadPiece& piece : *pieces) {
    if (piece.buffer == nullptr) {
      content.append(piece.size, '\0');
    } else {
      content.append(*piece.buffer, piece.offset, piece.size);
    }
  }
  *text += " size " + std::to_string(attr.size) + " bytes " + std::to_string(content.size()) + " " +
           ToHex(AsBytes(Sha256(content))).substr(0, 16);
  return 0;
}

}  // namespace kvfs::fs::crash
