// Env: the interfaces through which everything above reaches the world,
// handed down from the composition root. Pointers are borrowed and outlive every
// user; `bus` is null on a node that talks to nobody, `memory` where hints lead nowhere.
#pragma once

#include "kvcore/env/clock.h"
#include "kvcore/env/file_system.h"
#include "kvcore/env/memory.h"
#include "kvcore/env/message_bus.h"
#include "kvcore/env/random.h"
#include "kvcore/env/scheduler.h"

namespace kvfs::env {

struct Env {
  Clock* clock = nullptr;
  Scheduler* scheduler = nullptr;
  FileSystem* files = nullptr;
  Random* random = nullptr;
  MessageBus* bus = nullptr;
  Memory* memory = nullptr;
};

}  // namespace kvfs::env
