/* Draws plain elements that the server sends as data: [tag, properties or 0, ...children]. Each Dash
   component watches the state of the whole page, and thousands of them made a change take seconds. */
(function () {
  "use strict";

  /* The first address in a row: by it a row that moves keeps its element. */
  function address(node) {
    if (!Array.isArray(node)) {
      return null;
    }
    if (node[1] && node[1].href) {
      return node[1].href;
    }
    for (var index = 2; index < node.length; index += 1) {
      var found = address(node[index]);
      if (found) {
        return found;
      }
    }
    return null;
  }

  function drawAll(nodes) {
    var times = {};
    return nodes.map(function (node) {
      var href = Array.isArray(node) && node[0] === "tr" ? address(node) : null;
      if (href === null) {
        return draw(node, null);
      }
      times[href] = (times[href] || 0) + 1;
      return draw(node, times[href] + " " + href);
    });
  }

  function draw(node, key) {
    if (!Array.isArray(node)) {
      return node;
    }
    var properties = Object.assign({}, node[1] || {});
    if (key !== null) {
      properties.key = key;
    }
    var parts = [node[0], properties].concat(drawAll(node.slice(2)));
    return window.React.createElement.apply(null, parts);
  }

  window.usage_components = {
    Tree: function Tree(props) {
      return draw(props.tree, null);
    },
  };
})();
