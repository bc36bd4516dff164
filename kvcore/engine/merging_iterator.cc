#include "kvcore/engine/merging_iterator.h"

#include <cassert>
#include <utility>

#include "kvcore/engine/internal_key.h"

namespace kvfs::engine {
namespace {

// A binary heap of the children that stand on an entry, the next one to show on top. Children are
// ordered by (key, index), so that even equal keys have an order and both directions agree.
class MergingIterator final : public InternalIterator {
 public:
  explicit MergingIterator(std::vector<std::unique_ptr<InternalIterator>> children)
      : children_(std::move(children)) {
    heap_.reserve(children_.size());
  }

  void SeekToFirst() override {
    forward_ = true;
    Reposition([](size_t, InternalIterator* child) { child->SeekToFirst(); });
  }
  void SeekToLast() override {
    forward_ = false;
    Reposition([](size_t, InternalIterator* child) { child->SeekToLast(); });
  }
  void Seek(ByteView key) override {
    forward_ = true;
    Reposition([key](size_t, InternalIterator* child) { child->Seek(key); });
  }
  void SeekForPrev(ByteView key) override {
    forward_ = false;
    Reposition([key](size_t, InternalIterator* child) { child->SeekForPrev(key); });
  }
  void Next() override {
    assert(Valid());
    if (!forward_) {
      TurnForward();
      return;
    }
    Top()->Next();
    TopMoved();
  }
  void Prev() override {
    assert(Valid());
    if (forward_) {
      TurnBackward();
      return;
    }
    Top()->Prev();
    TopMoved();
  }
  Status status() const override { return status_; }

 private:
  InternalIterator* Top() const { return children_[heap_.front()].get(); }

  // Whether child `a` is shown before child `b` in the present direction.
  bool Before(size_t a, size_t b) const {
    const int order = CompareInternalKeys(children_[a]->key(), children_[b]->key());
    if (order != 0) {
      return forward_ ? order < 0 : order > 0;
    }
    return forward_ ? a < b : a > b;
  }

  template <typename Move>
  void Reposition(Move move) {
    heap_.clear();
    status_ = Status();
    for (size_t i = 0; i < children_.size(); ++i) {
      move(i, children_[i].get());
      if (children_[i]->Valid()) {
        heap_.push_back(i);
      } else if (Status status = children_[i]->status(); !status.ok()) {
        Fail(std::move(status));
        return;
      }
    }
    for (size_t i = heap_.size() / 2; i > 0; --i) {
      SiftDown(i - 1);
    }
    ShowTop();
  }

  void ShowTop() {
    if (heap_.empty()) {
      ShowNothing();
    } else {
      ShowWhatIsAt(*Top());
    }
  }

  // From the entry shown, all children to the first entry after it.
  void TurnForward() {
    const size_t current = heap_.front();
    const Bytes from(Top()->key());
    forward_ = true;
    Reposition([&](size_t i, InternalIterator* child) {
      if (i == current) {
        child->Next();
        return;
      }
      child->Seek(from);
      if (i < current && child->Valid() && CompareInternalKeys(child->key(), from) == 0) {
        child->Next();
      }
    });
  }

  void TurnBackward() {
    const size_t current = heap_.front();
    const Bytes from(Top()->key());
    forward_ = false;
    Reposition([&](size_t i, InternalIterator* child) {
      if (i == current) {
        child->Prev();
        return;
      }
      child->SeekForPrev(from);
      if (i > current && child->Valid() && CompareInternalKeys(child->key(), from) == 0) {
        child->Prev();
      }
    });
  }

  void TopMoved() {
    if (!Top()->Valid()) {
      if (Status status = Top()->status(); !status.ok()) {
        Fail(std::move(status));
        return;
      }
      heap_.front() = heap_.back();
      heap_.pop_back();
    }
    if (heap_.size() > 1) {
      SiftDown(0);
    }
    ShowTop();
  }

  void SiftDown(size_t at) {
    while (true) {
      size_t first = at;
      for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_.size(); ++child) {
        if (Before(heap_[child], heap_[first])) {
          first = child;
        }
      }
      if (first == at) {
        return;
      }
      std::swap(heap_[at], heap_[first]);
      at = first;
    }
  }

  void Fail(Status status) {
    heap_.clear();
    ShowNothing();
    status_ = std::move(status);
  }

  std::vector<std::unique_ptr<InternalIterator>> children_;
  std::vector<size_t> heap_;  // indices of valid children
  bool forward_ = true;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewMergingIterator(
    std::vector<std::unique_ptr<InternalIterator>> children) {
  if (children.size() == 1) {
    return std::move(children.front());
  }
  return std::make_unique<MergingIterator>(std::move(children));
}

}  // namespace kvfs::engine
