#include "kvcore/client/watch_message.h"

#include "kvcore/replication/keys.h"

namespace kvfs::client {

namespace pb = replication::pb;

Result<pb::WatchRequest> ParseWatchRequest(ByteView body, uint32_t partition_bits) {
  pb::WatchRequest request;
  if (!request.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
      request.session() == 0 || request.partitions().size() != BitmapBytes(partition_bits)) {
    return Status::InvalidArgument("message of a peer: a request to watch that cannot be");
  }
  return request;
}

Result<pb::ChangedNotice> ParseChangedNotice(ByteView body) {
  pb::ChangedNotice notice;
  if (!notice.ParseFromArray(body.data(), static_cast<int>(body.size())) || notice.session() == 0 ||
      notice.sequence() == 0) {
    return Status::InvalidArgument("message of a peer: a notice that cannot be");
  }
  for (const pb::ChangedItems& items : notice.items()) {
    KVFS_RETURN_IF_ERROR(replication::CheckUserPk(items.pk()));
    for (const Bytes& ck : items.cks()) {
      KVFS_RETURN_IF_ERROR(replication::CheckUserCk(ck));
    }
    if (items.all() != items.cks().empty()) {
      return Status::InvalidArgument("message of a peer: a notice that cannot be");
    }
  }
  return notice;
}

}  // namespace kvfs::client
