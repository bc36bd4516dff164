#include "kvcore/versioning/merge.h"

#include <algorithm>
#include <cassert>
#include <tuple>
#include <utility>

namespace kvfs::versioning {
namespace {

void Observe(Context* context, const Dot& dot) {
  auto at = std::lower_bound(context->begin(), context->end(), dot.epoch,
                             [](const Dot& d, uint64_t epoch) { return d.epoch < epoch; });
  if (at != context->end() && at->epoch == dot.epoch) {
    at->counter = std::max(at->counter, dot.counter);
  } else {
    context->insert(at, dot);
  }
}

bool DotBefore(const Sibling& a, const Sibling& b) { return a.dot < b.dot; }

// Two siblings of one dot are equal unless something is damaged; then any fixed choice will do.
const Sibling& Choose(const Sibling& a, const Sibling& b) {
  const auto order = [](const Sibling& s) { return std::tie(s.time, s.tombstone, s.value); };
  return order(a) < order(b) ? b : a;
}

}  // namespace

bool Covers(const Context& context, const Dot& dot) {
  auto at = std::lower_bound(context.begin(), context.end(), dot.epoch,
                             [](const Dot& d, uint64_t epoch) { return d.epoch < epoch; });
  return at != context.end() && at->epoch == dot.epoch && at->counter >= dot.counter;
}

Context Join(const Context& a, const Context& b) {
  Context joined = a;
  for (const Dot& dot : b) {
    Observe(&joined, dot);
  }
  return joined;
}

bool IsAbsent(const VersionedValue& value) {
  return std::all_of(value.siblings.begin(), value.siblings.end(),
                     [](const Sibling& sibling) { return sibling.tombstone; });
}

VersionedValue Update(const VersionedValue& current, const Context& seen, Sibling written) {
  assert(!Covers(current.context, written.dot) && !Covers(seen, written.dot));
  VersionedValue result;
  result.context = Join(current.context, seen);
  Observe(&result.context, written.dot);
  for (const Sibling& sibling : current.siblings) {
    if (!Covers(seen, sibling.dot)) {
      result.siblings.push_back(sibling);
    }
  }
  auto at = std::lower_bound(result.siblings.begin(), result.siblings.end(), written, DotBefore);
  result.siblings.insert(at, std::move(written));
  return result;
}

VersionedValue Supersede(const VersionedValue& current, Sibling written) {
  assert(!Covers(current.context, written.dot));
  VersionedValue result;
  result.context = current.context;
  Observe(&result.context, written.dot);
  result.siblings.push_back(std::move(written));
  return result;
}

VersionedValue Merge(const VersionedValue& a, const VersionedValue& b) {
  VersionedValue result;
  result.context = Join(a.context, b.context);
  auto left = a.siblings.begin();
  auto right = b.siblings.begin();
  while (left != a.siblings.end() || right != b.siblings.end()) {
    if (right == b.siblings.end() || (left != a.siblings.end() && DotBefore(*left, *right))) {
      if (!Covers(b.context, left->dot)) {
        result.siblings.push_back(*left);
      }
      ++left;
    } else if (left == a.siblings.end() || DotBefore(*right, *left)) {
      if (!Covers(a.context, right->dot)) {
        result.siblings.push_back(*right);
      }
      ++right;
    } else {
      result.siblings.push_back(Choose(*left++, *right++));
    }
  }
  return result;
}

const Sibling& Winner(const std::vector<Sibling>& siblings) {
  assert(!siblings.empty());
  const auto order = [](const Sibling& s) { return std::tuple(!s.tombstone, s.time, s.dot); };
  return *std::max_element(siblings.begin(), siblings.end(),
                           [&](const Sibling& a, const Sibling& b) { return order(a) < order(b); });
}

}  // namespace kvfs::versioning
