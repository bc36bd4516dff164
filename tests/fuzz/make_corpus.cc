// Writes the seeds of the fuzzers: make_corpus DIRECTORY. Run by hand when a format
// changes; the files are kept with the sources.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "kvcore/base/coding.h"
#include "kvcore/engine/batch_reader.h"
#include "kvcore/engine/blob_writer.h"
#include "kvcore/engine/block_builder.h"
#include "kvcore/engine/log_writer.h"
#include "kvcore/engine/table_builder.h"
#include "kvcore/engine/version_edit.h"
#include "kvcore/engine/write_batch.h"
#include "kvcore/membership/message.h"
#include "kvcore/replication/messages.h"
#include "kvcore/replication/peers.h"
#include "kvcore/ring/compute_layout.h"
#include "kvcore/ring/layout_agreement.h"
#include "tests/support/bytes_file.h"
#include "transport/frame.h"

namespace kvfs::fuzz {
namespace {

using engine::EntryType;

void Save(const std::filesystem::path& directory, const std::string& name, const Bytes& content) {
  std::filesystem::create_directories(directory);
  std::ofstream(directory / name, std::ios::binary) << content;
}

Bytes Payload(int entries) {
  engine::WriteBatch batch;
  for (int i = 0; i < entries; ++i) {
    const Bytes key = "key " + std::to_string(i);
    const engine::BlobPointer pointer{5, static_cast<uint32_t>(i), 100'000, 50'000};
    batch.Put(key, Bytes(static_cast<size_t>(i), 'v'));
    batch.PutBlob(key, pointer);
    batch.Delete(key);
    batch.DeleteBlob(key, pointer);
  }
  Bytes payload;
  engine::EncodeLogPayloadHeader(1000, batch.Count(), &payload);
  return payload + batch.Encoded();
}

Bytes Key(int i, uint64_t sequence, EntryType type) {
  Bytes key;
  engine::AppendInternalKey("dir/" + std::to_string(1000 + i), sequence, type, &key);
  return key;
}

Bytes Log(int records, size_t padding) {
  Bytes bytes;
  engine::LogWriter writer(std::make_unique<test::BytesWriteFile>(&bytes), 7);
  for (int i = 0; i < records; ++i) {
    if (!writer.AddRecord(Payload(i) + Bytes(padding, 'p')).ok()) {
      std::abort();
    }
    if (i % 2 == 0) {
      writer.MarkSynced(writer.Offset());
    }
  }
  return bytes;
}

Bytes Block(uint32_t interval) {
  engine::BlockBuilder builder(interval);
  for (int i = 0; i < 20; ++i) {
    builder.Add(Key(i, 9, EntryType::kValue), Bytes(static_cast<size_t>(i), 'v'));
    builder.Add(Key(i, 8, EntryType::kDelete), "");
  }
  return Bytes(builder.Finish());
}

Bytes Table(uint32_t bloom_bits) {
  engine::Options options;
  options.block_bytes = 128;
  options.bloom_bits_per_key = bloom_bits;
  Bytes bytes;
  test::BytesWriteFile file(&bytes);
  engine::TableBuilder builder(options, 12, &file);
  Bytes pointer;
  engine::EncodeBlobPointer({5, 1, 100'000, 50'000}, &pointer);
  Status status;
  for (int i = 0; i < 30 && status.ok(); ++i) {
    status = i % 3 == 0 ? builder.Add(Key(i, 5, EntryType::kBlobPointer), pointer)
                        : builder.Add(Key(i, 5, EntryType::kValue), Bytes(20, 'v'));
  }
  if (!status.ok() || !builder.Finish().ok()) {
    std::abort();
  }
  return bytes;
}

Bytes Blob(bool finish) {
  Bytes bytes;
  auto writer = std::move(*engine::BlobFileWriter::Create(
      std::make_unique<test::BytesWriteFile>(&bytes), {5, 12, 4711}));
  for (const size_t size : {0u, 10u, 70'000u}) {
    Bytes value(size, 'v');
    for (size_t i = 0; i < 100 && i < size; ++i) {
      value[i] = static_cast<char>(i * 37);
    }
    if (!writer->Put(value).ok()) {
      std::abort();
    }
  }
  if (finish && !writer->Finish().ok()) {
    std::abort();
  }
  return bytes;
}

// Two edits, each behind its length: files come, then change and go.
Bytes Manifest() {
  engine::VersionEdit first;
  first.next_file_number = 20;
  first.log_number = 10;
  first.last_sequence = 100;
  engine::TableMeta table;
  table.number = 12;
  table.file_bytes = 5000;
  table.entries = 10;
  table.smallest = Key(1, 5, EntryType::kValue);
  table.largest = Key(9, 5, EntryType::kValue);
  first.added_tables.push_back({1, table});
  first.blob_files.push_back({.logical = 5, .physical = 5});
  for (uint32_t ordinal = 0; ordinal < 10; ++ordinal) {
    first.blob_changes[5].added.Insert(ordinal);
  }
  first.blob_changes[5].added_bytes = 1000;

  engine::VersionEdit second;
  second.deleted_tables.push_back({1, 12});
  second.blob_files.push_back(
      {.logical = 5, .physical = 6, .file_bytes = 1100, .record_bytes = 1000});
  second.blob_changes[5].removed.Insert(3);
  second.blob_changes[5].removed_bytes = 100;

  Bytes out;
  for (const engine::VersionEdit* edit : {&first, &second}) {
    Bytes encoded;
    edit->Encode(&encoded);
    PutLengthPrefixed(&out, encoded);
  }
  return out;
}

Bytes OneEdit() {
  Bytes both = Manifest();
  ByteView rest = both;
  ByteView record;
  if (!GetLengthPrefixed(&rest, &record)) {
    std::abort();
  }
  return Bytes(record);
}

// Two datacentres, one of them with a drained member.
ring::Layout SampleLayout(uint32_t partition_bits) {
  ring::LayoutSpec spec;
  spec.partition_bits = partition_bits;
  spec.datacentres = {{.name = "a", .replication_factor = 2},
                      {.name = "b", .replication_factor = 1}};
  for (uint64_t node = 1; node <= 5; ++node) {
    spec.members.push_back({.node = node,
                            .weight = static_cast<uint32_t>(node - 1),
                            .datacentre = node % 2 == 0 ? "a" : "b",
                            .zone = "z" + std::to_string(node % 3)});
  }
  return *ring::ComputeLayout(spec, nullptr);
}

Bytes RingLayout(uint32_t partition_bits) { return ring::Encode(SampleLayout(partition_bits)); }

std::shared_ptr<const ring::Layout> LayoutAfter(const ring::Layout& before) {
  return std::make_shared<const ring::Layout>(*ring::ComputeLayout(before.spec(), &before));
}

Bytes RingPromise() {
  return ring::Encode(ring::AgreementMessage{.kind = ring::AgreementMessage::Kind::kPromise,
                                             .number = 2,
                                             .ballot = {7, 3},
                                             .accepted = {6, 2},
                                             .layout = LayoutAfter(SampleLayout(0))});
}

Bytes RingState() {
  const auto decided = std::make_shared<const ring::Layout>(SampleLayout(0));
  return ring::Encode(ring::AgreementState{.decided = decided,
                                           .promised = {7, 3},
                                           .accepted = {6, 2},
                                           .accepted_layout = LayoutAfter(*decided)});
}

// Length-prefixed parts of a message, as fuzz_wire reads them.
Bytes Frame() {
  const std::vector<Bytes> data = {"one", ""};
  const Bytes header = transport::EncodeHeader({.lane = env::Lane::kBulk,
                                                .type = 9,
                                                .cluster = {'f', 'u', 'z', 'z'},
                                                .sender = 3,
                                                .storage_epoch = 4,
                                                .request_id = 5,
                                                .layout_number = 6,
                                                .remaining_millis = 7},
                                               "body", data);
  Bytes out;
  for (const Bytes& part : {header, Bytes("body"), data[0], data[1]}) {
    PutLengthPrefixed(&out, part);
  }
  return out;
}

Bytes Membership(membership::Message::Kind kind, uint64_t subject) {
  using membership::State;
  const membership::Peer sender{
      .node = 2, .incarnation = 3, .address = "b:1", .datacentre = "d", .zone = "z"};
  membership::Peer third = sender;
  third.node = 3;
  membership::Peer self = sender;
  self.node = 1;
  membership::Peer gone = sender;
  gone.node = 4;
  return membership::Encode({.kind = kind,
                             .sequence = 300,
                             .subject = subject,
                             .sender = sender,
                             .rumors = {{third, State::kSuspect, {2, 5}},
                                        {self, State::kSuspect, {2}},
                                        {gone, State::kLeft, {}}}});
}

// Messages as fuzz_replication reads them.
template <typename Message>
Bytes Replication(replication::Method method, const Message& message) {
  Bytes out(1, static_cast<char>(method));
  PutLengthPrefixed(&out, message.SerializeAsString());
  return out;
}

Bytes ReplicationSubmits() {
  replication::Txn txn;
  txn.pk = "pk";
  txn.asserts = {{replication::Assert::Kind::kAbsent, "a", {}}};
  txn.writes = {{replication::Write::Kind::kPut, "a", "value"},
                {replication::Write::Kind::kErase, "b", ""}};
  const Bytes first = Replication(replication::Method::kSubmit, ToProto(txn, {3, 4}, 1, true));
  const Bytes again = Replication(replication::Method::kSubmit, ToProto(txn, {3, 5}, 2, false));
  replication::pb::ReadRequest read;
  read.set_pk("pk");
  read.add_cks("a");
  read.set_settled(true);
  return first + again + Replication(replication::Method::kRead, read);
}

Bytes ReplicationHome() {
  const replication::Epoch epoch{5, 2};
  replication::pb::PromiseRequest promise;
  *promise.mutable_epoch() = ToProto(epoch);
  replication::pb::ApplyRequest apply;
  apply.set_pk("pk");
  *apply.mutable_epoch() = ToProto(epoch);
  *apply.mutable_next() = ToProto(replication::PkState{epoch, 1});
  replication::pb::Entry* const entry = apply.add_entries();
  entry->set_ck("a");
  replication::pb::StateRequest state;
  state.set_pk("pk");
  *state.mutable_epoch() = ToProto(epoch);
  replication::pb::ListRequest list;
  *list.mutable_epoch() = ToProto(epoch);
  return Replication(replication::Method::kPromise, promise) +
         Replication(replication::Method::kApply, apply) +
         Replication(replication::Method::kState, state) +
         Replication(replication::Method::kList, list);
}

Bytes ReplicationInstall() {
  const replication::Epoch epoch{6, 2};
  replication::pb::InstallRequest install;
  install.set_pk("pk");
  *install.mutable_epoch() = ToProto(epoch);
  *install.mutable_state() = ToProto(replication::PkState{epoch, 1});
  replication::pb::PageReply page;
  page.set_valid(true);
  replication::pb::Entry* const entry = page.add_entries();
  entry->set_ck("a");
  entry->set_value("value");
  replication::pb::PageRequest ask;
  ask.set_pk("pk");
  *ask.mutable_state() = install.state();
  return Replication(replication::Method::kInstall, install) +
         Replication(replication::Method::kPage, page) +
         Replication(replication::Method::kPage, ask);
}

void MakeAll(const std::filesystem::path& root) {
  Save(root / "batch", "empty", Payload(0));
  Save(root / "batch", "all_tags", Payload(3));
  Save(root / "log", "small", Log(6, 0));
  Save(root / "log", "three_blocks", Log(4, 20'000));
  Save(root / "block", "restarts", Block(3));
  Save(root / "block", "one_restart", Block(1000));
  Save(root / "table", "filtered", Table(10));
  Save(root / "table", "plain", Table(0));
  Save(root / "blob", "finished", Blob(true));
  Save(root / "blob", "growing", Blob(false));
  Save(root / "manifest", "one_edit", OneEdit());
  Save(root / "manifest", "two_edits", Manifest());
  Save(root / "ring", "one_partition", "l" + RingLayout(0));
  Save(root / "ring", "eight_partitions", "l" + RingLayout(3));
  Save(root / "ring", "promise", "m" + RingPromise());
  Save(root / "ring", "state", "s" + RingState());
  Save(root / "wire", "frame", "f" + Frame());
  Save(root / "wire", "ping", "m" + Membership(membership::Message::Kind::kPing, 1));
  Save(root / "wire", "ping_request", "m" + Membership(membership::Message::Kind::kPingRequest, 3));
  Save(root / "replication", "submits", ReplicationSubmits());
  Save(root / "replication", "home", ReplicationHome());
  Save(root / "replication", "install", ReplicationInstall());
  Save(root / "wire", "sync", "m" + Membership(membership::Message::Kind::kSync, 0));
}

}  // namespace
}  // namespace kvfs::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_corpus DIRECTORY\n";
    return 2;
  }
  kvfs::fuzz::MakeAll(argv[1]);
  return 0;
}
