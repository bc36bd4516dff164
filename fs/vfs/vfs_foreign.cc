// VfsImpl: what other mounts have changed.

#include <utility>

#include "fs/vfs/foreign_changes.h"
#include "fs/vfs/vfs_impl.h"
#include "kvcore/env/completion.h"

namespace kvfs::fs {
namespace {

constexpr size_t kMaxToFollow = 10'000;  // inodes; of more, all that are open are looked at

}  // namespace

void VfsImpl::SetKernelCache(KernelCache* kernel) {
  std::lock_guard lock(kernel_mutex_);
  kernel_ = kernel;
}

void VfsImpl::ForgetPages(Ino ino, std::function<void()> done) {
  {
    std::lock_guard lock(kernel_mutex_);
    if (kernel_ != nullptr) {
      kernel_->ForgetPages(ino, std::move(done));
      return;
    }
  }
  if (done) {
    done();
  }
}

void VfsImpl::ForgetAttributes(Ino ino) {
  std::lock_guard lock(kernel_mutex_);
  if (kernel_ != nullptr && inodes_.Find(ino)) {
    kernel_->ForgetAttributes(ino);
  }
}

void VfsImpl::OnChanges(const std::vector<client::Change>& changes) {
  ForeignChanges meaning = Understand(changes);
  {
    std::lock_guard lock(kernel_mutex_);
    for (const auto& [directory, name] : meaning.names) {
      if (kernel_ != nullptr && inodes_.Find(directory)) {
        kernel_->ForgetName(directory, name);
      }
    }
  }
  for (const Ino ino : meaning.attributes) {
    ForgetAttributes(ino);
  }
  if (locks_ != nullptr) {
    for (const Ino ino : meaning.locks) {
      locks_->Changed(ino);
    }
    if (!meaning.homes.empty() || meaning.everything) {
      locks_->ChangedAny();
    }
  }
  // That is done; the rest takes reads.
  meaning.names.clear();
  meaning.attributes.clear();
  meaning.locks.clear();
  std::erase_if(meaning.contents, [this](Ino ino) { return !inodes_.Find(ino); });
  if (meaning.empty()) {
    return;
  }
  std::lock_guard lock(follow_mutex_);
  Add(&to_follow_, std::move(meaning), kMaxToFollow);
  if (!std::exchange(is_following_, true)) {
    background_.Post(env::Priority::kForeground, [this] { return FollowAll(); });
  }
}

Task<void> VfsImpl::FollowAll() {
  while (true) {
    auto meaning = std::make_shared<ForeignChanges>();
    {
      std::lock_guard lock(follow_mutex_);
      if (to_follow_.empty()) {
        is_following_ = false;
        co_return;
      }
      std::swap(*meaning, to_follow_);
    }
    co_await Follow(meaning);
  }
}

// What is remembered here comes first, so that the kernel does not get it once more.
Task<void> VfsImpl::Follow(std::shared_ptr<const ForeignChanges> meaning) {
  for (const Ino ino : meaning->contents) {
    if (const auto ref = inodes_.Find(ino)) {
      co_await FollowContent(*ref);
    }
  }
  for (const Ino home : meaning->homes) {
    ForgetAttributes(home);  // of what is not open the kernel's time-outs must do
    for (const InodeRef& ref : files_->Remembered(home)) {
      co_await FollowContent(ref);
    }
  }
  if (meaning->everything) {
    for (const InodeRef& ref : files_->Remembered(std::nullopt)) {
      co_await FollowContent(ref);
    }
  }
}

Task<void> VfsImpl::FollowContent(InodeRef ref) {
  const auto number = co_await files_->Refresh(ref);
  // Pages of what is being written here are those of the buffers; the next open drops them.
  if (number.ok() && number->has_value() && files_->DirtyBytes(ref.ino) == 0) {
    ForgetPages(ref.ino,
                [this, ino = ref.ino, told = **number] { files_->PagesDropped(ino, told); });
  } else {
    ForgetAttributes(ref.ino);
  }
}

Task<Errno> VfsImpl::Revalidate(InodeRef ref) {
  const auto number = co_await files_->Refresh(ref);
  if (!number.ok()) {
    co_return number.error();
  }
  if (number->has_value()) {
    env::Completion<bool> dropped(env_.scheduler);
    ForgetPages(ref.ino, [dropped] { dropped.Set(true); });
    co_await dropped.Get();
    files_->PagesDropped(ref.ino, **number);
  }
  co_return Errno();
}

}  // namespace kvfs::fs
