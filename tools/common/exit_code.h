// Exit codes of every kvfs command.
#pragma once

namespace kvfs::tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;    // wrong usage, or it could not be done
inline constexpr int kExitProblems = 2;  // done, and it found damage or other problems

}  // namespace kvfs::tools
