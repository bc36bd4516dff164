#include "kvcore/engine/memtable.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <iterator>
#include <new>

namespace kvfs::engine {

// Key and value follow the node; its tower of next pointers stands before it, the lowest last, so
// that what a search looks at, key and lowest links, lies together.
struct MemTable::Node {
  uint32_t key_size = 0;
  uint32_t value_size = 0;

  char* Data() { return reinterpret_cast<char*>(this + 1); }
  ByteView Key() { return {Data(), key_size}; }
  ByteView Value() { return {Data() + key_size, value_size}; }

  std::atomic<Node*>& Link(int level) {
    return *(reinterpret_cast<std::atomic<Node*>*>(this) - 1 - level);
  }
  // Acquire and release: whoever sees the node sees what it holds.
  Node* Next(int level) { return Link(level).load(std::memory_order_acquire); }
  void SetNext(int level, Node* node) { Link(level).store(node, std::memory_order_release); }
};

MemTable::MemTable(std::shared_ptr<ArenaPool> pool)
    : arena_(std::move(pool)),
      head_(NewNode(0, 0, kMaxHeight)),
      empty_bytes_(arena_.UsedBytes()),
      last_(head_) {
  std::fill(std::begin(before_last_), std::end(before_last_), head_);
}
MemTable::~MemTable() = default;

MemTable::Node* MemTable::NewNode(size_t key_bytes, size_t value_bytes, int height) {
  using Link = std::atomic<Node*>;
  const size_t links = sizeof(Link) * static_cast<size_t>(height);
  char* memory = arena_.Allocate(links + sizeof(Node) + key_bytes + value_bytes);
  for (int level = 0; level < height; ++level) {
    new (memory + sizeof(Link) * static_cast<size_t>(level)) Link(nullptr);
  }
  Node* node = new (memory + links) Node;
  node->key_size = static_cast<uint32_t>(key_bytes);
  node->value_size = static_cast<uint32_t>(value_bytes);
  return node;
}

int MemTable::RandomHeight() {
  // xorshift64; each further level with probability 1/4.
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  int height = 1;
  for (uint64_t bits = random_state_; height < kMaxHeight && (bits & 3) == 0; bits >>= 2) {
    ++height;
  }
  return height;
}

MemTable::Node* MemTable::FindGreaterOrEqual(ByteView internal_key, Node** prev) const {
  Node* node = head_;
  Node* beyond = nullptr;  // known to be >= internal_key, so not compared again a level below
  for (int level = max_height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    Node* next = node->Next(level);
    while (next != nullptr && next != beyond) {
      // Where the search goes on if this one is too far: fetched while its key is.
      if (level > 0) {
        __builtin_prefetch(node->Next(level - 1));
      }
      if (CompareInternalKeys(next->Key(), internal_key) >= 0) {
        break;
      }
      node = next;
      next = node->Next(level);
    }
    beyond = next;
    if (prev != nullptr) {
      prev[level] = node;
    }
  }
  return beyond;
}

MemTable::Node* MemTable::FindLessThan(ByteView internal_key) const {
  Node* node = head_;
  Node* beyond = nullptr;
  for (int level = max_height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    Node* next = node->Next(level);
    while (next != nullptr && next != beyond &&
           CompareInternalKeys(next->Key(), internal_key) < 0) {
      node = next;
      next = node->Next(level);
    }
    beyond = next;
  }
  return node;
}

MemTable::Node* MemTable::FindLast() const {
  Node* node = head_;
  for (int level = max_height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    while (Node* next = node->Next(level)) {
      node = next;
    }
  }
  return node;
}

// Whether a key belongs right behind the last one that was added: then the places are known.
bool MemTable::FollowsLast(ByteView internal_key) const {
  if (last_ == head_ || CompareInternalKeys(last_->Key(), internal_key) >= 0) {
    return false;
  }
  Node* next = last_->Next(0);
  return next == nullptr || CompareInternalKeys(internal_key, next->Key()) < 0;
}

void MemTable::Add(uint64_t sequence, EntryType type, ByteView user_key, ByteView value) {
  assert(user_key.size() <= kMaxUserKeyBytes && value.size() <= kMaxValueBytes);
  const int height = RandomHeight();
  const size_t key_bytes = user_key.size() + kInternalKeyTrailer;
  Node* node = NewNode(key_bytes, value.size(), height);
  // The only moment at which the entry is written: nobody can see the node yet.
  char* data = node->Data();
  if (!user_key.empty()) {
    std::memcpy(data, user_key.data(), user_key.size());
  }
  EncodeFixed64(data + user_key.size(), PackTrailer(sequence, type));
  if (!value.empty()) {
    std::memcpy(data + key_bytes, value.data(), value.size());
  }

  // Keys that come in order need no search: on the levels of the last node it is the one before,
  // above them what came before it.
  if (!(in_order_ && FollowsLast(node->Key()))) {
    Node* next = FindGreaterOrEqual(node->Key(), before_last_);
    assert(next == nullptr || CompareInternalKeys(node->Key(), next->Key()) != 0);
    (void)next;
    in_order_ = before_last_[0] == last_;
  }
  const int old_height = max_height_.load(std::memory_order_relaxed);
  for (int level = old_height; level < height; ++level) {
    before_last_[level] = head_;
  }
  if (height > old_height) {
    // A reader that sees the new height before the links finds null and goes down a level.
    max_height_.store(height, std::memory_order_relaxed);
  }
  for (int level = 0; level < height; ++level) {
    node->Link(level).store(before_last_[level]->Next(level), std::memory_order_relaxed);
    before_last_[level]->SetNext(level, node);
    before_last_[level] = node;
  }
  last_ = node;
  count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

std::optional<FoundEntry> MemTable::Get(ByteView user_key, uint64_t sequence) const {
  const LookupKey target(user_key, sequence);
  Node* node = FindGreaterOrEqual(target.internal_key(), nullptr);
  if (node == nullptr || UserKey(node->Key()) != user_key) {
    return std::nullopt;
  }
  return FoundEntry{TypeOf(node->Key()), Sequence(node->Key()), Bytes(node->Value())};
}

class MemTable::Iter final : public InternalIterator {
 public:
  explicit Iter(const MemTable* table) : table_(table) {}

  void SeekToFirst() override { GoTo(table_->head_->Next(0)); }
  void SeekToLast() override { GoToUnlessHead(table_->FindLast()); }
  void Seek(ByteView key) override { GoTo(table_->FindGreaterOrEqual(key, nullptr)); }
  void SeekForPrev(ByteView key) override {
    Seek(key);
    if (node_ == nullptr || CompareInternalKeys(node_->Key(), key) != 0) {
      GoToUnlessHead(table_->FindLessThan(key));
    }
  }
  void Next() override { GoTo(node_->Next(0)); }
  // No back links: the node before is searched for.
  void Prev() override { GoToUnlessHead(table_->FindLessThan(node_->Key())); }
  Status status() const override { return {}; }

 private:
  void GoTo(Node* node) {
    node_ = node;
    if (node != nullptr) {
      Show(node->Key(), node->Value());
    } else {
      ShowNothing();
    }
  }
  void GoToUnlessHead(Node* node) { GoTo(node == table_->head_ ? nullptr : node); }

  const MemTable* table_;
  Node* node_ = nullptr;
};

std::unique_ptr<InternalIterator> MemTable::NewIterator() const {
  return std::make_unique<Iter>(this);
}

}  // namespace kvfs::engine
