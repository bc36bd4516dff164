// The answers to ZeroMQ's questions who may connect (ZAP, rfc.zeromq.org/spec/27). Without
// somebody who answers, libzmq would let in every key.
#pragma once

#include "transport/socket.h"
#include "transport/switchboard.h"

namespace kvfs::transport {

inline constexpr char kZapEndpoint[] = "inproc://zeromq.zap.01";
inline constexpr char kZapDomain[] = "kvfs";

// Answers all questions that wait on the REP socket. A client is allowed if its CURVE key is; its
// user id is then the number of its node. Counts those that are not.
void AnswerZap(const Socket& socket, Switchboard* switchboard);

// Whether who was let in with this user id may send as `sender`: as the node whose key he has, or
// with one of the client numbers of that key.
bool MaySpeakFor(ByteView user_id, env::NodeId sender);

}  // namespace kvfs::transport
