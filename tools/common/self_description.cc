#include "tools/common/self_description.h"

#include <cstdio>
#include <functional>
#include <string_view>
#include <vector>

namespace kvfs::tools {
namespace {

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  std::vector<const CLI::App*> commands;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (!command->get_name().empty()) {  // else a group of options
      commands.push_back(command);
    }
  }
  return commands;
}

// Those of its groups included.
std::vector<const CLI::Option*> OptionsOf(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) {
    options.push_back(option);
  }
  for (const CLI::App* group : app.get_subcommands(nullptr)) {
    if (group->get_name().empty()) {
      const auto more = OptionsOf(*group);
      options.insert(options.end(), more.begin(), more.end());
    }
  }
  return options;
}

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// "-f", "--foreground".
std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) {
    names.push_back("-" + name);
  }
  for (const std::string& name : option.get_lnames()) {
    names.push_back("--" + name);
  }
  return names;
}

// Each command with its words: "kv get".
void ForEachCommand(const CLI::App& app, const std::string& words,
                    const std::function<void(const CLI::App&, const std::string&)>& take) {
  take(app, words);
  for (const CLI::App* command : CommandsOf(app)) {
    ForEachCommand(*command, words + " " + command->get_name(), take);
  }
}

// ---- roff ------------------------------------------------------------------

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += std::string("\\&") + c;
    } else {
      out += c;
    }
  }
  return out;
}

// Text that is laid out already, as footers are.
std::string AsItIs(const std::string& text) {
  return text.empty() ? "" : ".PP\n.nf\n" + Escaped(text) + "\n.fi\n";
}

std::string OptionText(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : NamesOf(option)) {
    names += (names.empty() ? "\\fB" : ", \\fB") + Escaped(name) + "\\fR";
  }
  if (names.empty()) {
    names = "\\fI" + Escaped(option.get_single_name()) + "\\fR";
  } else if (TakesValue(option)) {
    names += " \\fIVALUE\\fR";
  }
  return ".TP\n" + names + "\n" + Escaped(option.get_description()) + "\n";
}

std::string Synopsis(const CLI::App& app, const std::string& words) {
  std::string out = ".B " + Escaped(words) + "\n[\\fIOPTIONS\\fR]";
  for (const CLI::Option* option : OptionsOf(app)) {
    if (option->get_positional()) {
      const std::string name = "\\fI" + Escaped(option->get_single_name()) + "\\fR";
      out += " " + (option->get_required() ? name : "[" + name + "]");
    }
  }
  return out + (CommandsOf(app).empty() ? "" : " \\fICOMMAND\\fR ...") + "\n";
}

std::string OptionTexts(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : OptionsOf(app)) {
    out += OptionText(*option);
  }
  return out;
}

// ---- completion ------------------------------------------------------------

std::string FunctionName(const CLI::App& app) {
  std::string name = "_" + app.get_name();
  for (char& c : name) {
    c = c == '-' ? '_' : c;
  }
  return name;
}

// The lines of a shell's `case` that follow the words of the command line down to the command that
// is meant.
std::string PathCases(const CLI::App& app) {
  std::string out;
  ForEachCommand(app, "", [&](const CLI::App&, const std::string& words) {
    if (!words.empty()) {
      out += "      '" + words + "') at='" + words + "' ;;\n";
    }
  });
  return out;
}

// 'name:what it is' for zsh; what would end the quotes or the name is taken away.
std::string Described(const std::string& name, std::string about) {
  for (char& c : about) {
    c = c == '\'' ? ' ' : c == '\n' ? ' ' : c;
  }
  return " '" + name + ":" + about + "'";
}

}  // namespace

std::string ManualPage(const CLI::App& app, const ManualFacts& facts) {
  std::string upper = app.get_name();
  for (char& c : upper) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  const std::string about = app.get_description();
  const size_t colon = about.find(": ");
  std::string out = ".TH " + upper + " " + std::to_string(facts.section) + " \"\" \"kvfs " +
                    facts.version + "\" kvfs\n.SH NAME\n" + Escaped(app.get_name()) + " \\- " +
                    Escaped(colon == std::string::npos ? about : about.substr(colon + 2)) + "\n" +
                    ".SH SYNOPSIS\n" + Synopsis(app, app.get_name()) + ".SH OPTIONS\n" +
                    OptionTexts(app);
  bool has_commands = false;
  ForEachCommand(app, app.get_name(), [&](const CLI::App& command, const std::string& words) {
    if (&command == &app || !CommandsOf(command).empty()) {
      return;
    }
    out += has_commands ? "" : ".SH COMMANDS\n";
    has_commands = true;
    out += ".SS " + Escaped(words.substr(app.get_name().size() + 1)) + "\n" +
           Synopsis(command, words) + ".PP\n" + Escaped(command.get_description()) + ".\n" +
           OptionTexts(command) + AsItIs(command.get_footer());
  });
  if (!app.get_footer().empty()) {
    out += ".SH NOTES\n" + AsItIs(app.get_footer());
  }
  return out + ".SH SEE ALSO\n" + Escaped(facts.see_also) + "\n";
}

std::string BashCompletion(const CLI::App& app) {
  const std::string name = FunctionName(app);
  std::string out = "# bash completion for " + app.get_name() + "\n" + name +
                    "() {\n  local cur=${COMP_WORDS[COMP_CWORD]} at='' i known=''\n"
                    "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
                    "    case \"$at ${COMP_WORDS[i]}\" in\n" +
                    PathCases(app) + "    esac\n  done\n  case $at in\n";
  ForEachCommand(app, "", [&](const CLI::App& command, const std::string& words) {
    out += "    '" + words + "') known='";
    for (const CLI::App* below : CommandsOf(command)) {
      out += below->get_name() + " ";
    }
    for (const CLI::Option* option : OptionsOf(command)) {
      for (const std::string& one : NamesOf(*option)) {
        out += one + " ";
      }
    }
    out += "' ;;\n";
  });
  return out +
         "  esac\n  COMPREPLY=($(compgen -W \"$known\" -- \"$cur\"))\n"
         "  # An empty word where there are only options: names of files.\n"
         "  [[ -n $cur || ${known%% *} != -* ]] || COMPREPLY=()\n}\n"
         "complete -o default -F " +
         name + " " + app.get_name() + "\n";
}

std::string ZshCompletion(const CLI::App& app) {
  std::string out = "#compdef " + app.get_name() +
                    "\nlocal at='' word\nlocal -a commands options\n"
                    "for word in ${words[2,CURRENT-1]}; do\n  case \"$at $word\" in\n" +
                    PathCases(app) + "  esac\ndone\ncase $at in\n";
  ForEachCommand(app, "", [&](const CLI::App& command, const std::string& words) {
    out += "  '" + words + "')\n    commands=(";
    for (const CLI::App* below : CommandsOf(command)) {
      out += Described(below->get_name(), below->get_description());
    }
    out += " )\n    options=(";
    for (const CLI::Option* option : OptionsOf(command)) {
      for (const std::string& one : NamesOf(*option)) {
        out += Described(one, option->get_description());
      }
    }
    out += " ) ;;\n";
  });
  return out +
         "esac\n"
         "if [[ $PREFIX == -* ]]; then\n  _describe -o option options\n"
         "elif (( $#commands )); then\n  _describe command commands\n"
         "else\n  _files\nfi\n";
}

bool DescribeItself(const CLI::App& app, const ManualFacts& facts, int argc,
                    const char* const* argv) {
  if (argc != 3 || std::string_view(argv[1]) != "--describe") {
    return false;
  }
  const std::string_view form = argv[2];
  const std::string text = form == "man"    ? ManualPage(app, facts)
                           : form == "bash" ? BashCompletion(app)
                           : form == "zsh"  ? ZshCompletion(app)
                                            : "";
  std::fputs(text.c_str(), stdout);
  return !text.empty();
}

}  // namespace kvfs::tools
