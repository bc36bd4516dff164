#include "kvcore/engine/memtable.h"

#include <cassert>
#include <cstring>
#include <new>

namespace kvfs::engine {

// A node is followed by its tower of next pointers, then by key and value.
struct MemTable::Node {
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  const char* data = nullptr;

  ByteView Key() const { return {data, key_size}; }
  ByteView Value() const { return {data + key_size, value_size}; }

  std::atomic<Node*>* Tower() { return reinterpret_cast<std::atomic<Node*>*>(this + 1); }
  // Acquire and release: whoever sees the node sees what it holds.
  Node* Next(int level) { return Tower()[level].load(std::memory_order_acquire); }
  void SetNext(int level, Node* node) { Tower()[level].store(node, std::memory_order_release); }
};

MemTable::MemTable() : head_(NewNode(0, 0, kMaxHeight)), empty_bytes_(arena_.UsedBytes()) {}
MemTable::~MemTable() = default;

MemTable::Node* MemTable::NewNode(size_t key_bytes, size_t value_bytes, int height) {
  using Link = std::atomic<Node*>;
  const size_t links = sizeof(Link) * static_cast<size_t>(height);
  char* memory = arena_.Allocate(sizeof(Node) + links + key_bytes + value_bytes);
  Node* node = new (memory) Node;
  for (int level = 0; level < height; ++level) {
    new (node->Tower() + level) Link(nullptr);
  }
  node->key_size = static_cast<uint32_t>(key_bytes);
  node->value_size = static_cast<uint32_t>(value_bytes);
  node->data = memory + sizeof(Node) + links;
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
    while (next != nullptr && next != beyond &&
           CompareInternalKeys(next->Key(), internal_key) < 0) {
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

void MemTable::Add(uint64_t sequence, EntryType type, ByteView user_key, ByteView value) {
  assert(user_key.size() <= kMaxUserKeyBytes && value.size() <= kMaxValueBytes);
  const int height = RandomHeight();
  const size_t key_bytes = user_key.size() + kInternalKeyTrailer;
  Node* node = NewNode(key_bytes, value.size(), height);
  // The only moment at which the entry is written: nobody can see the node yet.
  char* data = const_cast<char*>(node->data);
  if (!user_key.empty()) {
    std::memcpy(data, user_key.data(), user_key.size());
  }
  EncodeFixed64(data + user_key.size(), PackTrailer(sequence, type));
  if (!value.empty()) {
    std::memcpy(data + key_bytes, value.data(), value.size());
  }

  Node* prev[kMaxHeight];
  Node* next = FindGreaterOrEqual(node->Key(), prev);
  assert(next == nullptr || CompareInternalKeys(node->Key(), next->Key()) != 0);
  (void)next;
  const int old_height = max_height_.load(std::memory_order_relaxed);
  for (int level = old_height; level < height; ++level) {
    prev[level] = head_;
  }
  if (height > old_height) {
    // A reader that sees the new height before the links finds null and goes down a level.
    max_height_.store(height, std::memory_order_relaxed);
  }
  for (int level = 0; level < height; ++level) {
    node->Tower()[level].store(prev[level]->Next(level), std::memory_order_relaxed);
    prev[level]->SetNext(level, node);
  }
  count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

std::optional<FoundEntry> MemTable::Get(ByteView user_key, uint64_t sequence) const {
  Node* node = FindGreaterOrEqual(SeekKey(user_key, sequence), nullptr);
  if (node == nullptr || UserKey(node->Key()) != user_key) {
    return std::nullopt;
  }
  return FoundEntry{TypeOf(node->Key()), Sequence(node->Key()), Bytes(node->Value())};
}

class MemTable::Iter final : public InternalIterator {
 public:
  explicit Iter(const MemTable* table) : table_(table) {}

  bool Valid() const override { return node_ != nullptr; }
  void SeekToFirst() override { node_ = table_->head_->Next(0); }
  void SeekToLast() override { SetUnlessHead(table_->FindLast()); }
  void Seek(ByteView key) override { node_ = table_->FindGreaterOrEqual(key, nullptr); }
  void SeekForPrev(ByteView key) override {
    Seek(key);
    if (node_ == nullptr || CompareInternalKeys(node_->Key(), key) != 0) {
      SetUnlessHead(table_->FindLessThan(key));
    }
  }
  void Next() override { node_ = node_->Next(0); }
  // No back links: the node before is searched for.
  void Prev() override { SetUnlessHead(table_->FindLessThan(node_->Key())); }
  ByteView key() const override { return node_->Key(); }
  ByteView value() const override { return node_->Value(); }
  Status status() const override { return {}; }

 private:
  void SetUnlessHead(Node* node) { node_ = node == table_->head_ ? nullptr : node; }

  const MemTable* table_;
  Node* node_ = nullptr;
};

std::unique_ptr<InternalIterator> MemTable::NewIterator() const {
  return std::make_unique<Iter>(this);
}

}  // namespace kvfs::engine
