// Answers as JSON, for programs, and as text, for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kvcore/proto/admin.pb.h"

namespace kvfs::tools {

nlohmann::json ToJson(const admin::StatusResponse& status);
nlohmann::json ToJson(const admin::EngineStats& stats);
nlohmann::json ToJson(const admin::ExplainResponse& explain);
nlohmann::json ToJson(const admin::CheckResponse& check);

std::string ToText(const admin::StatusResponse& status);
std::string ToText(const admin::EngineStats& stats);
std::string ToText(const admin::ExplainResponse& explain);
std::string ToText(const admin::CheckResponse& check);

}  // namespace kvfs::tools
