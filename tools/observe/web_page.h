// The web page of a node or mount: web_page.html, put into the program at build time.
#pragma once

namespace kvfs::tools {

extern const char kWebPage[];

}  // namespace kvfs::tools
