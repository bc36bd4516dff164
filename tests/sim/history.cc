#include "tests/sim/history.h"

#include <algorithm>
#include <cassert>
#include <set>

#include "kvcore/base/hash.h"

namespace kvfs::sim {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Result;

// Whether the operation, coming upon `state`, may have been answered as it was; the state after it.
bool Step(const Operation& operation, const std::string& state, std::string* after) {
  *after = state;
  switch (operation.kind) {
    case Kind::kRead:
      return operation.value == state;
    case Kind::kWrite:
      *after = operation.value;
      return true;
    case Kind::kSwap: {
      const bool holds = state == operation.expected;
      if (operation.result != Outcome::kUnknown && (operation.result == Outcome::kOk) != holds) {
        return false;
      }
      if (holds) {
        *after = operation.value;
      }
      return true;
    }
  }
  return false;
}

// One call or return of an operation in the list of those not yet put in order.
struct Event {
  size_t operation = 0;
  bool is_call = false;
  size_t previous = 0, next = 0;
};

class Search {
 public:
  // Each of `unseen` may have happened too, at any time after it began, if only to be overwritten.
  Search(const std::vector<Operation>& operations, const std::vector<Operation>& unseen)
      : operations_(operations), unseen_(unseen) {
    struct Moment {
      int64_t time;
      bool is_call;
      size_t operation;
    };
    std::vector<Moment> moments;
    for (size_t i = 0; i < operations.size(); ++i) {
      moments.push_back({operations[i].begin, true, i});
      moments.push_back({operations[i].end, false, i});
    }
    // What begins in the moment in which another ends may have come before it.
    std::stable_sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
      return a.time != b.time ? a.time < b.time : a.is_call && !b.is_call;
    });
    events_.resize(moments.size() + 1);  // the first is the head
    returns_.resize(operations.size());
    for (size_t i = 0; i < moments.size(); ++i) {
      events_[i + 1] = {moments[i].operation, moments[i].is_call, i, 0};
      events_[i].next = i + 1;
      if (!moments[i].is_call) {
        returns_[moments[i].operation] = i + 1;
      }
    }
  }

  // Nothing: it would take more than `max_states` different situations to tell.
  std::optional<bool> Explains(size_t max_states) {
    std::string state, after;
    std::pair<uint64_t, uint64_t> done{};                // a hash of the set of those chosen
    std::vector<std::pair<size_t, std::string>> chosen;  // calls, and the states before them
    // Situations (those chosen, the state), as hashes: they would be large. 128 bits do not
    // collide.
    std::set<std::pair<uint64_t, uint64_t>> seen;
    size_t at = events_[0].next;
    while (events_[0].next != 0) {
      const Event event = events_[at];
      if (!event.is_call) {
        // It had to happen before this: what was chosen last was wrong.
        if (chosen.empty()) {
          return false;
        }
        at = chosen.back().first;
        state = chosen.back().second;
        chosen.pop_back();
        Toggle(events_[at].operation, &done);
        Restore(returns_[events_[at].operation]);
        Restore(at);
        at = events_[at].next;
        continue;
      }
      if (Step(operations_[event.operation], state, &after) ||
          IsRefusedForUnseen(operations_[event.operation], state, &after)) {
        Toggle(event.operation, &done);
        if (seen.size() >= max_states) {
          return std::nullopt;
        }
        if (seen.emplace(SipHash24({done.first, 1}, after), SipHash24({done.second, 2}, after))
                .second) {
          chosen.emplace_back(at, state);
          state = after;
          Take(at);
          Take(returns_[event.operation]);
          at = events_[0].next;
          continue;
        }
        Toggle(event.operation, &done);
      }
      at = event.next;
      assert(at != 0);  // its own return lies behind every call
    }
    return true;
  }

 private:
  // What nobody saw can still be why a swap was refused. One of them may serve for several
  // refusals: to keep account of them would double what has to be tried for each.
  bool IsRefusedForUnseen(const Operation& swap, const std::string& state,
                          std::string* after) const {
    if (swap.kind != Kind::kSwap || swap.result != Outcome::kConflict) {
      return false;
    }
    *after = "(unseen)";
    return std::any_of(unseen_.begin(), unseen_.end(), [&](const Operation& one) {
      return one.begin <= swap.end && (one.kind == Kind::kWrite || one.expected == state);
    });
  }
  static void Toggle(size_t operation, std::pair<uint64_t, uint64_t>* set) {
    const ByteView bytes(reinterpret_cast<const char*>(&operation), sizeof(operation));
    set->first ^= SipHash24({1, 1}, bytes);
    set->second ^= SipHash24({2, 2}, bytes);
  }
  void Take(size_t at) {
    events_[events_[at].previous].next = events_[at].next;
    if (events_[at].next != 0) {
      events_[events_[at].next].previous = events_[at].previous;
    }
  }
  void Restore(size_t at) {
    events_[events_[at].previous].next = at;
    if (events_[at].next != 0) {
      events_[events_[at].next].previous = at;
    }
  }

  const std::vector<Operation>& operations_;
  const std::vector<Operation>& unseen_;
  std::vector<Event> events_;
  std::vector<size_t> returns_;
};

constexpr size_t kMaxStates = 1'000'000;

// Splits the operations of unknown result whose value nobody else writes: whose value was seen
// happened, and before that; the others may never have happened. An operation that may happen at
// any time doubles what has to be tried.
struct Certain {
  std::vector<Operation> operations;
  std::vector<Operation> unseen;
};
Certain Split(const std::vector<Operation>& operations) {
  std::map<std::string, int> writers;
  std::map<std::string, int64_t> seen;  // a value, and when it must have been there
  const auto see = [&](const std::string& value, int64_t end) {
    const auto [at, is_new] = seen.emplace(value, end);
    at->second = std::min(at->second, end);
  };
  for (const Operation& operation : operations) {
    if (operation.kind == Kind::kRead) {
      see(operation.value, operation.end);
      continue;
    }
    ++writers[operation.value];
    if (operation.kind == Kind::kSwap && operation.result == Outcome::kOk) {
      see(operation.expected, operation.end);
    }
  }
  // A swap whose value was seen has come upon what it expected.
  for (bool more = true; more;) {
    more = false;
    for (const Operation& operation : operations) {
      const auto at = seen.find(operation.value);
      if (operation.kind == Kind::kSwap && operation.result == Outcome::kUnknown &&
          writers[operation.value] == 1 && at != seen.end() && !seen.contains(operation.expected)) {
        see(operation.expected, at->second);
        more = true;
      }
    }
  }
  Certain certain;
  for (Operation operation : operations) {
    const std::string& value = operation.value;
    if (operation.kind != Kind::kRead && operation.result == Outcome::kUnknown &&
        operation.end == INT64_MAX && writers[value] == 1 && !value.empty()) {
      const auto at = seen.find(value);
      if (at == seen.end()) {
        certain.unseen.push_back(std::move(operation));
        continue;
      }
      operation.end = std::min(operation.end, at->second);
      if (operation.end < operation.begin) {
        operation.end = operation.begin;  // seen before it was asked for: nothing explains that
      }
    }
    certain.operations.push_back(std::move(operation));
  }
  return certain;
}

bool IsExplained(const std::vector<Operation>& operations) {
  const Certain certain = Split(operations);
  return Search(certain.operations, certain.unseen).Explains(kMaxStates).value_or(false);
}

}  // namespace

std::string Operation::ToString() const {
  std::string text = "client " + std::to_string(client) + " ";
  switch (kind) {
    case Kind::kRead:
      text += "reads '" + value + "'";
      break;
    case Kind::kWrite:
      text += "writes '" + value + "'";
      break;
    case Kind::kSwap:
      text += "swaps '" + expected + "' for '" + value + "'";
      break;
  }
  text += result == Outcome::kOk ? " ok" : result == Outcome::kConflict ? " conflict" : " unknown";
  text +=
      " [" + std::to_string(begin) + ", " + (end == INT64_MAX ? "..." : std::to_string(end)) + "]";
  return text;
}

size_t History::size() const {
  size_t count = 0;
  for (const auto& [key, operations] : operations_) {
    count += operations.size();
  }
  return count;
}

std::optional<std::string> History::FindViolation() const {
  for (const auto& [key, operations] : operations_) {
    if (!IsExplained(operations)) {
      std::vector<Operation> sorted = operations;
      std::sort(sorted.begin(), sorted.end(),
                [](const Operation& a, const Operation& b) { return a.begin < b.begin; });
      std::string text = "no order explains register " + key + ":\n";
      for (const Operation& operation : sorted) {
        text += "  " + operation.ToString() + "\n";
      }
      return text;
    }
  }
  return std::nullopt;
}

}  // namespace kvfs::sim
