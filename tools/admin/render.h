// Answers as JSON, for programs, and as text, for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kvcore/proto/admin.pb.h"
#include "kvcore/ring/layout.h"

namespace kvfs::tools {

nlohmann::json ToJson(const admin::StatusResponse& status);
nlohmann::json ToJson(const admin::EngineStats& stats);
nlohmann::json ToJson(const admin::ExplainResponse& explain);
nlohmann::json ToJson(const admin::CheckResponse& check);
nlohmann::json ToJson(const admin::ConflictsResponse& conflicts);

nlohmann::json ToJson(const admin::MembersResponse& members);
nlohmann::json ToJson(const admin::ExplainKeyResponse& explain);
nlohmann::json ToJson(const admin::KvItem& item);
nlohmann::json ToJson(const admin::KvScanResponse& page);
// Of a part of the others.
nlohmann::json NodeJson(const admin::NodeStatus& node);
nlohmann::json ClusterJson(const admin::ClusterStatus& cluster);
nlohmann::json LayoutJson(const ring::Layout& layout);

std::string ToText(const admin::StatusResponse& status);
std::string ToText(const admin::EngineStats& stats);
std::string ToText(const admin::ExplainResponse& explain);
std::string ToText(const admin::CheckResponse& check);
std::string ToText(const admin::MembersResponse& members);
std::string ToText(const admin::ExplainKeyResponse& explain);
std::string ToText(const admin::KvItem& item);
std::string ToText(const admin::KvScanResponse& page);
std::string ClusterText(const admin::StatusResponse& status);
std::string ToText(const admin::ConflictsResponse& conflicts);

}  // namespace kvfs::tools
