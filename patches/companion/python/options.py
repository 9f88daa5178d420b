"""Stands for the private module `options` of the 2012 release; written from python-and-data section 1.5.

An OptionsParser is pickled into every checkpoint, so the classes are old-style under Python 2, as those in the files of
2012 are, and their attributes keep their names. Checked under Python 2.7 and 3, and by reading such files back.
"""

import sys as _sys
from getopt import getopt as _getopt

SORT_LETTER = 1
SORT_DESC = 2
SORT_EXPR_LAST = 3


class OptionException(Exception):
    """An option has a value that does not fit, or breaks a rule between options."""


class OptionMissingException(OptionException):
    """A mandatory or required option was not given."""


class OptionParser:
    """Between text and value; passed to options as a class, so every method is static."""

    @staticmethod
    def parse(value):
        return str(value)

    @staticmethod
    def to_string(value):
        return str(value)

    @staticmethod
    def get_type_str():
        return "value"

    @staticmethod
    def is_type(value):
        return True


class IntegerOptionParser(OptionParser):
    @staticmethod
    def parse(value):
        try:
            return int(value)
        except ValueError:
            raise OptionException("%r is no whole number" % value)

    @staticmethod
    def get_type_str():
        return "int"

    @staticmethod
    def is_type(value):
        return isinstance(value, int)


class BooleanOptionParser(OptionParser):
    @staticmethod
    def parse(value):
        if value not in ("0", "1"):
            raise OptionException("%r is neither 0 nor 1" % value)
        return int(value)

    @staticmethod
    def get_type_str():
        return "0/1"

    @staticmethod
    def is_type(value):
        return value in (0, 1)


class StringOptionParser(OptionParser):
    @staticmethod
    def get_type_str():
        return "string"

    @staticmethod
    def is_type(value):
        return isinstance(value, str)


class FloatOptionParser(OptionParser):
    @staticmethod
    def parse(value):
        try:
            return float(value)
        except ValueError:
            raise OptionException("%r is no number" % value)

    @staticmethod
    def to_string(value):
        return "%.6g" % value

    @staticmethod
    def get_type_str():
        return "float"

    @staticmethod
    def is_type(value):
        return isinstance(value, float)


class RangeOptionParser(OptionParser):
    """`a-b` is the list of a to b, both included; `a` is [a]."""

    @staticmethod
    def parse(value):
        ends = value.split("-")
        try:
            ends = [int(end) for end in ends]
        except ValueError:
            raise OptionException("%r is neither a number nor a range" % value)
        if len(ends) > 2 or ends[0] > ends[-1]:
            raise OptionException("%r is neither a number nor a rising range" % value)
        return list(range(ends[0], ends[-1] + 1))

    @staticmethod
    def to_string(value):
        return "%d-%d" % (value[0], value[-1])

    @staticmethod
    def get_type_str():
        return "int[-int]"

    @staticmethod
    def is_type(value):
        return isinstance(value, list)


class ListOptionParser(OptionParser):
    """A separated list; one parser for all items, or a list of parsers that fixes the number of items."""

    def __init__(self, parsers=OptionParser, sepchar=","):
        self.parsers = parsers
        self.sepchar = sepchar

    def _parser(self, position):
        return self.parsers[position] if isinstance(self.parsers, list) else self.parsers

    def parse(self, value):
        items = value.split(self.sepchar)
        if isinstance(self.parsers, list) and len(items) != len(self.parsers):
            raise OptionException("expected %d items, found %d" % (len(self.parsers), len(items)))
        return [self._parser(i).parse(item) for i, item in enumerate(items)]

    def to_string(self, value):
        return self.sepchar.join(self._parser(i).to_string(item) for i, item in enumerate(value))

    def get_type_str(self):
        if isinstance(self.parsers, list):
            return self.sepchar.join(parser.get_type_str() for parser in self.parsers)
        return self.parsers.get_type_str() + self.sepchar + "..."

    def is_type(self, value):
        return isinstance(value, list)


class OptionExpression:
    """A default that is worked out from the values of the other options."""

    def __init__(self, expr=""):
        self.expr = expr

    def evaluate(self, options):
        return eval(self.expr, {}, dict((name, option.value) for name, option in options.items()))


class Option:
    """One option: how it is typed, how its text is read, and what its presence means for the others."""

    def __init__(self, letter="", name="", desc="", parser=OptionParser, set_once=False, default=None, excuses=(),
                 requires=(), save=True):
        self.letter = letter
        self.name = name
        self.desc = desc
        self.parser = parser
        self.set_once = set_once
        self.default = default
        self.excuses = list(excuses)
        self.requires = list(requires)
        self.save = save
        self.value = None
        self.value_given = False
        self.prefixed_letter = ("-" if len(letter) == 1 else "--") + letter

    def set_value(self, value, parse=True):
        try:
            self.value = self.parser.parse(value) if parse else value
        except OptionException as error:
            raise OptionException("Bad value for %s (%s): %s" % (self.prefixed_letter, self.desc, error))
        self.value_given = True

    def set_default(self):
        self.value = self.default

    def eval_expr_default(self, options):
        if isinstance(self.default, OptionExpression) and not self.value_given:
            try:
                value = self.default.evaluate(options)
            except Exception as error:
                raise OptionException("The default of %s cannot be worked out: %s" % (self.prefixed_letter, error))
            if not self.parser.is_type(value):
                raise OptionException("The default of %s has the wrong type: %r"
                                      % (self.prefixed_letter, value))
            self.value = value

    def get_str_value(self, get_default_str=False):
        value = self.default if get_default_str else self.value
        if value is None:
            return ""
        if isinstance(value, OptionExpression):
            return value.expr
        return self.parser.to_string(value)


class OptionsParser:
    """The options of a program; reads the command line, and takes over the options stored in a checkpoint."""

    # Two spellings of the same constant exist in public relatives (section 1.5.1).
    EXCLUDE_ALL = "all"
    EXCUSE_ALL = "all"

    def __init__(self):
        self.options = {}

    def add_option(self, letter, name, parser, desc, set_once=False, default=None, excuses=[], requires=[], save=True):
        if name in self.options:
            raise OptionException("Two options are called %s" % name)
        self.options[name] = Option(letter, name, desc, parser, set_once, default, excuses, requires, save)

    def delete_option(self, name):
        self.options.pop(name, None)

    def get_value(self, name):
        return self.options[name].value

    def set_value(self, name, value, parse=True):
        self.options[name].set_value(value, parse)

    def parse(self, eval_expr_defaults=False):
        """Read the command line. A missing option ends the program with a message and the usage table (1.5.3)."""
        by_typed = dict((option.prefixed_letter, option) for option in self.options.values())
        short = "".join(option.letter + ":" for option in self.options.values() if len(option.letter) == 1)
        long = [option.letter + "=" for option in self.options.values() if len(option.letter) > 1]
        typed, _ = _getopt(_sys.argv[1:], short, long)
        try:
            for option in self.options.values():
                if not option.value_given:
                    option.set_default()
            for key, text in typed:
                by_typed[key].set_value(text)
            self._check_presence()
            if eval_expr_defaults:
                self.eval_expr_defaults()
        except OptionMissingException as error:
            _sys.stdout.write("%s\n" % error)
            self.print_usage(print_constraints=True)
            _sys.exit(0)
        return self.options

    def _check_presence(self):
        given = [option for option in self.options.values() if option.value_given]
        excused = set(name for option in given for name in option.excuses)
        if self.EXCUSE_ALL not in excused:
            for option in sorted(self.options.values(), key=lambda option: option.letter):
                if option.default is None and not option.value_given and option.name not in excused:
                    raise OptionMissingException("Missing: %s (%s)" % (option.prefixed_letter, option.desc))
        for option in given:
            for name in option.requires:
                if name in self.options and not self.options[name].value_given:
                    raise OptionMissingException("Missing: with %s (%s) comes %s (%s)" % (
                        option.prefixed_letter, option.desc,
                        self.options[name].prefixed_letter, self.options[name].desc))

    def merge_from(self, op2):
        """Take over the options given on the command line `op2`; this parser comes from a checkpoint."""
        for name, newer in op2.options.items():
            if name not in self.options:
                self.options[name] = newer
            elif newer.value_given or not newer.save:
                if newer.set_once:
                    _sys.stdout.write("%s (%s) is fixed once a run has begun; it stays %s\n" % (
                        newer.prefixed_letter, newer.desc, self.options[name].get_str_value()))
                else:
                    self.options[name] = newer

    def eval_expr_defaults(self):
        for option in self.get_options_list(SORT_EXPR_LAST):
            option.eval_expr_default(self.options)

    def get_options_list(self, sort_order=SORT_LETTER):
        keys = {
            SORT_LETTER: lambda option: option.letter,
            SORT_DESC: lambda option: option.desc,
            SORT_EXPR_LAST: lambda option: (isinstance(option.default, OptionExpression), option.letter),
        }
        return sorted(self.options.values(), key=keys[sort_order])

    def print_values(self):
        listed = self.get_options_list(SORT_DESC)
        desc_width = self._longest_value(listed, key=lambda option: option.desc)
        value_width = self._longest_value(listed, key=lambda option: option.get_str_value())
        for option in listed:
            untouched = " (default)" if not option.value_given else ""
            _sys.stdout.write("%s: %s%s\n" % (
                option.desc.ljust(desc_width), option.get_str_value().ljust(value_width), untouched))

    def print_usage(self, print_constraints=False):
        listed = self.get_options_list()
        typed_width = self._longest_value(listed, key=lambda option: option.prefixed_letter)
        type_width = self._longest_value(listed, key=lambda option: option.parser.get_type_str()) + 2
        _sys.stdout.write(self._bold("Options of %s" % (_sys.argv[0] if _sys.argv else "")) + "\n")
        for option in sorted(listed, key=lambda option: option.default is None):
            default = "" if option.default is None else " [%s]" % option.get_str_value(get_default_str=True)
            line = "  %s %s - %s%s" % (option.prefixed_letter.ljust(typed_width),
                                       ("<%s>" % option.parser.get_type_str()).ljust(type_width), option.desc, default)
            _sys.stdout.write(line + (self._constraints(option) if print_constraints else "") + "\n")

    def _constraints(self, option):
        lines = ""
        for title, names in (("excuses", option.excuses), ("requires", option.requires)):
            known = [self.options[name].prefixed_letter for name in names if name in self.options]
            if self.EXCUSE_ALL in names:
                known = ["all"]
            if known:
                lines += "\n      %s: %s" % (title, ", ".join(known))
        return lines

    @staticmethod
    def _longest_value(values, key=lambda value: value):
        return max([0] + [len(key(value) or "") for value in values])

    @staticmethod
    def _bold(text):
        return "\x1b[1m%s\x1b[0m" % text
