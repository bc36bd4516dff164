// What can be set about membership. The defaults are those of Lifeguard (Dadgar, Phillips,
// Currey, 2018) where it has them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvfs::membership {

struct Options {
  // One member is probed in each interval, times (1 + local health). 100 ms .. 1 min.
  int64_t probe_interval_micros = 1'000'000;
  // Waited for a direct answer before others are asked to help. Less than half the interval.
  int64_t probe_timeout_micros = 300'000;
  // Who is asked to help. 1 .. 16.
  int helpers = 3;
  // A suspect has at least suspicion_multiplier * log10(max(10, members)) intervals to refute, and
  // suspicion_spread times as long while only one member suspects it. 1 .. 20 each.
  int suspicion_multiplier = 5;
  int suspicion_spread = 6;
  // Besides those whose turn it is, so many members probe a new suspect at once. 0 .. 16.
  int verifiers = 3;
  // How bad the own health may become: intervals and time-outs grow up to (1 + this) fold. 0 .. 16.
  int max_local_health = 8;
  // A rumour is sent rumor_multiplier * ceil(log10(members + 1)) times. 1 .. 16.
  int rumor_multiplier = 4;
  // Of rumours in one message. 100 B .. 64 KiB.
  size_t rumor_bytes = 1000;
  // One of the dead is pinged in each such time. 1 s .. 1 h.
  int64_t dead_probe_interval_micros = 5'000'000;
  // Whole lists are exchanged at most once in this time. 1 s .. 1 h.
  int64_t sync_interval_micros = 10'000'000;
};

}  // namespace kvfs::membership
