// Comparison of two whole trees.
#pragma once

#include <string>

namespace kvfs::model {

// Walks both trees and compares names, types, attributes, explicit times, link
// targets, content, extended attributes and which names are links of one file.
// Returns an empty text if they agree, else what differs first.
std::string CompareTrees(const std::string& under_test, const std::string& reference);

// All bytes of a file; sets errno and returns false on failure.
bool ReadFile(const std::string& path, std::string* content);

// "name=value" of every extended attribute, sorted, joined by newlines.
bool ReadAttributes(const std::string& path, std::string* text);

}  // namespace kvfs::model
